package composefile

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A file that includes a pipe, or that grows without bounds when it is read, is unread
// in time.
func TestReadIsBounded(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	bomb := "x0: &x0 [a, a, a, a, a, a, a, a, a, a]\n"
	for i := 1; i < 12; i++ {
		bomb += fmt.Sprintf("x%d: &x%d [%s*x%d]\n", i, i, strings.Repeat(fmt.Sprintf("*x%d, ", i-1), 9), i-1)
	}
	for name, text := range map[string]string{"pipe": "include: [" + pipe + "]\nservices: {}\n", "bomb": bomb + "services:\n  x:\n    image: a\n    labels: {a: *x11}\n",
		"deep": "services: " + strings.Repeat("[", 20000) + "\n"} {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		begin := time.Now()
		c, err := Read(ctx, write(t, "compose.yaml", text))
		cancel()
		if err != nil || c.Unread == "" {
			t.Errorf("%s: %v, %d services", name, err, len(c.Services))
		}
		if d := time.Since(begin); d > 8*time.Second {
			t.Errorf("%s took %v", name, d)
		}
	}
	if _, err := Read(t.Context(), pipe); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a pipe: %v", err)
	}
	// Let the goroutine that waits for the pipe's writer end.
	if f, err := os.OpenFile(pipe, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
		f.Close()
	}
}
