package audit

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	rules "dockwall/rules/audit"
)

// BenchmarkAudit reads and judges a host with 200 running containers, from the engine's
// answers to the last line of the report.
func BenchmarkAudit(b *testing.B) {
	const containers = 200
	root, host := b.TempDir(), crowd(b, containers)
	for i := range containers {
		dir := filepath.Join(root, "proc", fmt.Sprint(1000+i))
		for name, text := range map[string]string{
			"status": "Uid:\t0\t0\t0\t0\nCapBnd:\t00000000a80425fb\nNoNewPrivs:\t0\nSeccomp:\t2\n", "cgroup": fmt.Sprintf("0::/docker/id%04d\n", i), "uid_map": "0 0 4294967295\n",
			"limits": "Max open files            1024                 524288               files\n", "attr/current": "docker-default (enforce)\n",
			"mountinfo": strings.Repeat("5 4 0:1 / / rw - overlay o rw\n", 30), "net/tcp": "sl\n", "net/packet": "sk\n",
		} {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
				b.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				b.Fatal(err)
			}
		}
	}
	for b.Loop() {
		in := Gather(context.Background(), Options{Docker: host, Root: root, Now: time.Unix(1, 0)})
		if n := len(in.Containers.Value); n != containers || !in.Containers.Value[0].Process.Status.Read {
			b.Fatalf("%d containers, %+v", n, in.Containers)
		}
		if err := Text(&strings.Builder{}, rules.Judge(&in, rules.Settings{}), false, false); err != nil {
			b.Fatal(err)
		}
	}
}

// crowd is an engine with containers, and no images.
func crowd(b *testing.B, n int) string {
	socket := filepath.Join(b.TempDir(), "docker.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		b.Fatal(err)
	}
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`{"Id":"id%04d","Names":["/c%d"]}`, i, i))
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.43")
		var i int
		_, err := fmt.Sscanf(r.URL.Path[strings.Index(r.URL.Path, "/id")+1:], "id%d/json", &i)
		switch {
		case err == nil:
			fmt.Fprintf(w, `{"Id":"id%04d","Name":"/c%d","State":{"Running":true,"Pid":%d},"Config":{"Image":"nginx"},"HostConfig":{"NetworkMode":"bridge"},"Mounts":[]}`, i, i, 1000+i)
		case strings.HasSuffix(r.URL.Path, "/containers/json"):
			fmt.Fprintf(w, "[%s]", strings.Join(list, ","))
		case strings.HasSuffix(r.URL.Path, "/info"), strings.HasSuffix(r.URL.Path, "/volumes"):
			fmt.Fprint(w, "{}")
		default:
			fmt.Fprint(w, "[]")
		}
	})}
	go func() { _ = srv.Serve(l) }()
	b.Cleanup(func() { _ = srv.Close() })
	return "unix://" + socket
}
