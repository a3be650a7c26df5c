package tls

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFullDisk fills a small file system after each number of free pages: a
// command ends with an error and leaves what was, or does all of it.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a small file system needs root")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("a small file system cannot be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	f := Folder{Path: filepath.Join(dir, "tls")}
	if _, err := f.Init(InitOptions{Host: "host", Now: today}); err != nil {
		t.Fatal(err)
	}
	makeServer(t, f, nil)
	alice := makeClient(t, f, "alice", nil)
	full, done := 0, 0
	for free := range 12 {
		name := fmt.Sprintf("client%d", free)
		ballast := fill(t, dir, free)
		_, err := f.Client(ClientOptions{Name: name, Lifetime: ClientLifetime, Now: today})
		_, serverErr := f.Server(ServerOptions{Now: today, Force: true})
		if rm := os.Remove(ballast); rm != nil {
			t.Fatal(rm)
		}
		inv, listErr := f.List(today)
		if listErr != nil {
			t.Fatal(listErr)
		}
		for _, c := range inv.Certificates {
			if len(c.Problems) > 0 {
				t.Errorf("with %d free pages, %s: %q", free, c.Name, c.Problems)
			}
		}
		switch {
		case err == nil && serverErr == nil:
			done++
		case err != nil && !errors.Is(err, unix.ENOSPC), serverErr != nil && !errors.Is(serverErr, unix.ENOSPC):
			t.Errorf("with %d free pages: %v, %v", free, err, serverErr)
		default:
			full++
		}
		accepted(t, f, alice)
	}
	if full == 0 || done == 0 {
		t.Errorf("%d commands met a full disk, %d did not: both have to be tried", full, done)
	}
}

// fill leaves so many pages of the file system free.
func fill(t *testing.T, dir string, pages int) (ballast string) {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	ballast = filepath.Join(dir, "ballast")
	n := max(0, int(st.Bfree)-pages) * int(st.Bsize)
	if err := os.WriteFile(ballast, make([]byte, n), 0o600); err != nil {
		t.Fatal(err)
	}
	return ballast
}
