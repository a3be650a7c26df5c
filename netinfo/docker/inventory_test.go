package docker_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dockwall/netinfo/docker"
	"dockwall/netinfo/inventory"
)

// answers serves an engine's API from fixed answers, by path without the version.
func answers(t *testing.T, by map[string]string) (host string) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "docker.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		if strings.HasPrefix(path, "/v1.") {
			path = path[strings.IndexByte(path[1:], '/')+1:]
		}
		w.Header().Set("Api-Version", "1.43")
		answer, ok := by[path]
		if !ok && path != "/_ping" {
			w.WriteHeader(http.StatusNotFound)
		}
		if answer == "500" {
			w.WriteHeader(http.StatusInternalServerError)
		}
		_, _ = w.Write([]byte(answer))
	})}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })
	return "unix://" + socket
}

// oneContainer are the answers of an engine with one container and one image.
func oneContainer() map[string]string {
	return map[string]string{
		"/info": `{"ServerVersion":"28.5.2","DockerRootDir":"/var/lib/docker","SecurityOptions":["name=seccomp,profile=builtin"],"Plugins":{"Authorization":["opa"]},
			"RegistryConfig":{"InsecureRegistryCIDRs":["127.0.0.0/8"],"IndexConfigs":{"r:5000":{"Secure":false},"docker.io":{"Secure":true}}},
			"DriverStatus":[["driver-type","io.containerd.snapshotter.v1"]],"Swarm":{"LocalNodeState":"inactive"}}`,
		"/containers/json": `[{"Id":"c1","Names":["/a/alias","/web"]},{"Id":"gone","Names":["/gone"]}]`,
		"/containers/c1/json": `{"Id":"c1","Name":"/web","Image":"sha256:i1","Created":"2026-01-01T00:00:00Z","State":{"Status":"running","Running":true,"Pid":7,"FinishedAt":"0001-01-01T00:00:00Z"},
			"HostConfig":{"Privileged":true,"PidsLimit":100,"NetworkMode":"host","SecurityOpt":["no-new-privileges=false"],"RestartPolicy":{"Name":"always"},
				"DeviceRequests":[{"Driver":"nvidia","Capabilities":[["gpu"]]}],"Devices":[{"PathOnHost":"/dev/kvm"}],
				"PortBindings":{"80/tcp":[{"HostIp":"::","HostPort":"8080"}]},"LogConfig":{"Type":"json-file","Config":{}}},
			"Config":{"Image":"nginx","User":"0:0","Env":["DB_PASSWORD=hunter2","PATH=/bin"],"Healthcheck":{"Test":["NONE"]},"ExposedPorts":{"80/tcp":{}}},
			"Mounts":[{"Type":"bind","Source":"/","Destination":"/host","RW":false,"Propagation":"rprivate"}],"NetworkSettings":{"Networks":{"host":{}}}}`,
		"/images/json":              `[{"Id":"sha256:i1","RepoTags":["nginx:latest"]}]`,
		"/images/sha256:i1/json":    `{"Id":"sha256:i1","RepoTags":["nginx:latest"],"Created":"2026-01-01T00:00:00Z","Config":{"User":"","Env":["TOKEN=abcd"]}}`,
		"/images/sha256:i1/history": `[{"CreatedBy":"RUN |1 API_KEY=qwerty make"},{"CreatedBy":"ADD rootfs /"}]`,
		"/networks":                 `[{"Name":"bridge","Driver":"bridge","Options":{"com.docker.network.bridge.enable_icc":"true"}}]`,
		"/volumes":                  `{"Volumes":[{"Name":"b"},{"Name":"a"}]}`,
	}
}

func TestInventory(t *testing.T) {
	var in inventory.Inventory
	docker.Inventory(context.Background(), answers(t, oneContainer()), 5*time.Second, &in)
	e := in.Engine.Value
	if !in.Engine.Read || e.Version != "28.5.2" || !e.ContainerdStore || e.AuthPlugins[0] != "opa" || e.InsecureCIDRs[0] != "127.0.0.0/8" ||
		len(e.InsecureRegistries) != 1 || e.Swarm.Active || e.Swarm.Autolock.Read {
		t.Errorf("engine: %+v", in.Engine)
	}
	want := []inventory.Container{{
		ID: "c1", Name: "web", Image: "nginx", ImageID: "sha256:i1", State: "running", PID: 7,
		Config: inventory.Config{User: "0:0", Variables: []inventory.Variable{{Name: "DB_PASSWORD", Secret: "it is named like one"}, {Name: "PATH"}},
			Healthcheck: inventory.HealthDisabled, Exposed: []string{"80/tcp"}},
		HostConfig: inventory.HostConfig{Privileged: true, SecurityOpt: []string{"no-new-privileges=false"}, Restart: "always",
			DeviceRequests: []string{"nvidia gpu"}, Devices: []string{"/dev/kvm"}, Log: inventory.Log{Driver: "json-file", Options: map[string]string{}},
			Ports: []inventory.PortBinding{{Container: "80/tcp", HostIP: "::", HostPort: "8080"}}, Resources: inventory.Resources{PidsLimit: 100}, Namespaces: inventory.Namespaces{NetworkMode: "host"},
		},
		Mounts:   []inventory.Mount{{Type: "bind", Source: "/", Destination: "/host", Propagation: "rprivate"}},
		Networks: []string{"host"}, Times: inventory.Times{Created: 1767225600},
	}}
	if d := cmp.Diff(want, in.Containers.Value); d != "" || !in.Containers.Read {
		t.Errorf("containers: %s, -want +got:\n%s", in.Containers.Reason, d)
	}
	i := in.Images.Value[0]
	if i.Name() != "nginx:latest" || i.Variables[0].Secret == "" || len(i.Steps.Value) != 2 || i.Steps.Value[0].Text != "ADD rootfs /" || i.Steps.Value[1].Secret == "" {
		t.Errorf("image: %+v", i)
	}
	if d := cmp.Diff([]string{"a", "b"}, in.UnusedVolumes.Value); d != "" || in.Networks.Value[0].Options["com.docker.network.bridge.enable_icc"] != "true" {
		t.Errorf("volumes and networks: %s %+v", d, in.Networks)
	}
	b, err := json.Marshal(in)
	for _, secret := range []string{"hunter2", "abcd", "qwerty"} {
		if err != nil || strings.Contains(string(b), secret) {
			t.Errorf("the inventory holds %s, %v", secret, err)
		}
	}
}

// A volume of the driver local may stand for a folder of the host.
func TestVolumesThatAreFolders(t *testing.T) {
	by := oneContainer()
	by["/containers/c1/json"] = `{"Id":"c1","Name":"/web","State":{},"HostConfig":{},"Config":{},"Mounts":[
		{"Type":"volume","Name":"a","Source":"/var/lib/docker/volumes/a/_data","Destination":"/a","RW":true},
		{"Type":"volume","Name":"b","Source":"/var/lib/docker/volumes/b/_data","Destination":"/b"},
		{"Type":"volume","Name":"n","Source":"/var/lib/docker/volumes/n/_data","Destination":"/n"}]}`
	by["/volumes"] = `{"Volumes":[{"Name":"a","Driver":"local","Options":{"type":"none","o":"rw,bind","device":"/etc"}},{"Name":"b","Driver":"local"},
		{"Name":"n","Driver":"local","Options":{"type":"nfs","o":"addr=10.0.0.1","device":":/export"}}]}`
	var in inventory.Inventory
	docker.Inventory(context.Background(), answers(t, by), 5*time.Second, &in)
	want := []inventory.Mount{{Type: "bind", Volume: "a", Source: "/etc", Destination: "/a", Writable: true},
		{Type: "volume", Volume: "b", Source: "/var/lib/docker/volumes/b/_data", Destination: "/b"},
		{Type: "volume", Volume: "n", Source: "/var/lib/docker/volumes/n/_data", Destination: "/n"}}
	if d := cmp.Diff(want, in.Containers.Value[0].Mounts); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	by["/volumes"] = "500"
	docker.Inventory(context.Background(), answers(t, by), 5*time.Second, &in)
	if m := in.Containers.Value[0].Mounts[0]; m.Unread == "" || m.Type != "volume" {
		t.Errorf("got %+v", m)
	}
}

// What one question is not answered loses nothing of the others, and an engine that is
// away leaves all unread.
func TestInventoryWithoutAnswers(t *testing.T) {
	by := oneContainer()
	by["/containers/c1/json"], by["/images/json"] = "500", "500"
	var in inventory.Inventory
	docker.Inventory(context.Background(), answers(t, by), 5*time.Second, &in)
	if in.Images.Read || in.Images.Reason == "" || !in.Networks.Read || len(in.Containers.Value) != 1 || in.Containers.Value[0].Unread == "" || in.Containers.Value[0].Name != "web" {
		t.Errorf("got %+v", in)
	}
	by["/containers/c1/json"] = `{"Id":"c1"}`
	docker.Inventory(context.Background(), answers(t, by), 5*time.Second, &in)
	if in.Containers.Value[0].Unread == "" {
		t.Errorf("got %+v", in.Containers)
	}

	var away inventory.Inventory
	docker.Inventory(context.Background(), "unix:///nowhere/docker.sock", 5*time.Second, &away)
	for _, reason := range []string{away.Engine.Reason, away.Containers.Reason, away.Images.Reason, away.Networks.Reason, away.UnusedVolumes.Reason} {
		if !strings.Contains(reason, "no such file") {
			t.Errorf("the reason is %q", reason)
		}
	}
}

func TestInventoryOfOne(t *testing.T) {
	var in inventory.Inventory
	host := answers(t, oneContainer())
	docker.Inventory(context.Background(), host, 5*time.Second, &in, "web")
	if len(in.Containers.Value) != 1 || in.Images.Read {
		t.Errorf("got %+v", in)
	}
	docker.Inventory(context.Background(), host, 5*time.Second, &in, "alias")
	if !in.Containers.Read || len(in.Containers.Value) != 0 {
		t.Errorf("got %+v", in.Containers)
	}
}
