package docker

import (
	"context"
	"fmt"
	"io"
	"time"
)

// Save is the archive of an image as the engine at host streams it. limit is how long
// the engine may take to begin; the context ends the stream. The caller closes it.
func Save(ctx context.Context, host string, limit time.Duration, image string) (io.ReadCloser, error) {
	e, err := dial(host, limit)
	if err != nil {
		return nil, err
	}
	r := &taker{remote: e.(*remote)}
	if err := r.within(ctx, func(ctx context.Context) error { return r.Ping(ctx) }); err != nil {
		e.Close()
		return nil, err
	}
	if err := r.within(ctx, func(ctx context.Context) error {
		_, err := r.cli.ImageInspect(ctx, image)
		return err
	}); err != nil {
		e.Close()
		if isMissing(err) {
			return nil, fmt.Errorf("the engine has no image %s", image)
		}
		return nil, err
	}
	stream, err := r.cli.ImageSave(ctx, []string{image})
	if err != nil {
		e.Close()
		return nil, fmt.Errorf("saving the image %s: %w", image, err)
	}
	return &saving{stream, e}, nil
}

// saving is a stream, with the connection to the engine that it came by.
type saving struct {
	io.ReadCloser
	engine engine
}

// Close ends both.
func (s *saving) Close() error {
	err := s.ReadCloser.Close()
	s.engine.Close()
	return err
}
