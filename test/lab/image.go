package lab

import (
	"archive/tar"
	"bytes"
	"os"
	"os/exec"
	"strings"
)

// Image is the one image there is: the responder, and nothing else.
const Image = "responder"

// importImage gives the engine its image. There is no registry in a lab.
func (l *Lab) importImage() {
	l.t.Helper()
	program, err := os.ReadFile(l.bin.path("responder"))
	if err != nil {
		l.t.Fatalf("making the image: %v", err)
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	header := &tar.Header{Name: "responder", Mode: 0o755, Size: int64(len(program)), Typeflag: tar.TypeReg}
	if err := w.WriteHeader(header); err != nil {
		l.t.Fatalf("making the image: %v", err)
	}
	if _, err := w.Write(program); err != nil {
		l.t.Fatalf("making the image: %v", err)
	}
	if err := w.Close(); err != nil {
		l.t.Fatalf("making the image: %v", err)
	}
	cmd := l.dockerCommand("import", "--change", `ENTRYPOINT ["/responder"]`, "-", Image)
	cmd.Stdin = &archive
	l.mustRun(cmd)
}

// Docker runs the engine's own client and returns what it printed to stdout,
// trimmed; the test ends when it fails.
func (l *Lab) Docker(args ...string) string {
	l.t.Helper()
	stdout, stderr, code := l.TryDocker(args...)
	if code != 0 {
		l.t.Fatalf("docker %s: exit code %d\n%s%s", strings.Join(args, " "), code, stdout, stderr)
	}
	return stdout
}

// TryDocker is Docker for commands that may fail.
func (l *Lab) TryDocker(args ...string) (stdout, stderr string, code int) {
	l.t.Helper()
	stdout, stderr, code = result(l.dockerCommand(args...), "")
	return strings.TrimSpace(stdout), stderr, code
}

// dockerCommand needs nothing of the host but its socket, and so runs outside.
func (l *Lab) dockerCommand(args ...string) *exec.Cmd {
	cmd := exec.Command(l.engine+"/docker", args...)
	cmd.Env = append(l.environment(), "DOCKER_HOST=unix://"+l.DockerSocket())
	return cmd
}
