package inventory

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestZeroFactIsUnread(t *testing.T) {
	var f Fact[int]
	if f.Read || f.Why() == "" {
		t.Errorf("the zero fact is %+v", f)
	}
}

func TestFactJSON(t *testing.T) {
	for text, want := range map[string]Fact[Status]{
		`{"unread":"no such process"}`:                          Unread[Status]("no such process"),
		`{"cap_bnd":7,"seccomp":2,"no_new_privs":true,"uid":0}`: Known(Status{CapBnd: 7, Seccomp: 2, NoNewPrivs: true}),
	} {
		var got Fact[Status]
		if err := json.Unmarshal([]byte(text), &got); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: -want +got:\n%s", text, d)
		}
		if b, err := json.Marshal(got); err != nil || string(b) != text {
			t.Errorf("%s became %s, %v", text, b, err)
		}
	}
}

func TestSetting(t *testing.T) {
	d := Daemon{FilePath: "/etc/docker/daemon.json",
		Args: Known([]string{"-H", "fd://", "--icc=false", "--live-restore", "--log-opt", "max-size=10m", "--log-opt=max-file=3", "-l", "debug"}),
		File: Known(map[string]any{"Iptables": false, "insecure-registries": []any{"a", "b"}, "default-ulimits": map[string]any{"nofile": "x"}})}
	for _, c := range []struct {
		flag, key string
		want      []string
	}{
		{"icc", "", []string{"false"}}, {"live-restore", "", []string{"true"}}, {"host", "hosts", []string{"fd://"}}, {"log-level", "", []string{"debug"}},
		{"log-opt", "log-opts", []string{"max-size=10m", "max-file=3"}}, {"iptables", "", []string{"false"}}, {"tls", "", nil},
		{"insecure-registry", "insecure-registries", []string{"a", "b"}}, {"default-ulimit", "default-ulimits", []string{"nofile=x"}},
	} {
		got, reason := d.Setting(c.flag, c.key)
		if d := cmp.Diff(c.want, got.Values); d != "" || reason != "" {
			t.Errorf("%s: %q\n%s", c.flag, reason, d)
		}
	}
	d.File = Unread[map[string]any]("permission denied")
	if s, reason := d.Setting("tls"); s.Set() || reason != "permission denied" {
		t.Errorf("unread file: %+v, %q", s, reason)
	}
	if s, reason := d.Setting("icc"); s.Bool(true) || reason != "" {
		t.Errorf("an argument is known without the file: %+v, %q", s, reason)
	}
}

func TestSecrets(t *testing.T) {
	s := NewSecrets()
	for entry, secret := range map[string]bool{
		"DB_PASSWORD=hunter2": true, "PGPASSWORD=x1": true, "password=abc": true, "API_KEY=abcdef": true, "APIKEY=q": true, "MY_TOKEN=t0k": true,
		"AWS_SECRET_ACCESS_KEY=x": true, "KEY=AKIAABCDEFGHIJKLMNOP": true, "X=ghp_" + strings.Repeat("a", 36): true,
		"DATABASE_URL=postgres://app:s3cr3t@db/x": true, "CERT=-----BEGIN RSA PRIVATE KEY-----": true,
		"DB_PASSWORD_FILE=/run/secrets/db": false, "DB_PASSWORD=/run/secrets/db": false, "DB_PASSWORD=": false, "PWD=/srv": false, "PWD=srv": false,
		"PASSWORD_RESET=true": false, "ALLOW_EMPTY_PASSWORD=yes": false, "PATH=/bin": false, "TOKENIZER=bert": false, "COMPASS=north": false,
		"URL=https://example.com:8443/a@b": false, "NO_EQUALS": false,
	} {
		v := s.Variable(entry)
		if (v.Secret != "") != secret {
			t.Errorf("%s: %q, want a secret: %t", entry, v.Secret, secret)
		}
		if _, value, _ := strings.Cut(entry, "="); len(value) > 3 && strings.Contains(v.Secret+v.Name, value) {
			t.Errorf("%s: the value is in %+v", entry, v)
		}
	}
}

func TestMaskedStep(t *testing.T) {
	s := NewSecrets()
	got := s.Masked(`RUN |1 NPM_TOKEN=abc123 /bin/sh -c curl -H "k: AKIAABCDEFGHIJKLMNOP" https://u:pw9@h/ && export A=b`, "")
	for _, value := range []string{"abc123", "AKIA", "pw9"} {
		if strings.Contains(got.Text+got.Secret, value) {
			t.Errorf("%s is in %+v", value, got)
		}
	}
	if got.Secret == "" || !strings.Contains(got.Text, "A=b") {
		t.Errorf("got %+v", got)
	}
	if plain := s.Masked("CMD [\"nginx\"]", "buildkit"); plain.Secret != "" || plain.Text != `CMD ["nginx"]` {
		t.Errorf("got %+v", plain)
	}
}
