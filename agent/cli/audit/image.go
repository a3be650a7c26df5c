package audit

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"dockwall/netinfo/imagefile"
	"dockwall/netinfo/inventory"
)

// images are those of an archive, or the one that the engine has under a name. A
// regular file of that name is an archive.
func (a *app) images(ctx context.Context, name, host string) ([]inventory.Content, error) {
	limits := imagefile.DefaultLimits()
	ctx, cancel := context.WithTimeout(ctx, limits.Time+time.Minute)
	defer cancel()
	in, err := a.archive(ctx, name, host)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	return imagefile.Read(name, in, limits)
}

func (a *app) archive(ctx context.Context, name, host string) (io.ReadCloser, error) {
	info, err := os.Stat(name)
	switch {
	case err == nil && info.Mode().IsRegular():
		return os.Open(name)
	case strings.HasPrefix(name, "/") || strings.HasPrefix(name, "./") || strings.HasPrefix(name, "../"):
		if err == nil {
			err = errors.New(name + " is not a regular file")
		}
		return nil, err
	}
	return a.Env.Host.Image(ctx, a.Settings(host).Docker.Host, name)
}
