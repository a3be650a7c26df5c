package audit

import (
	"testing"

	"dockwall/netinfo/inventory"
)

func content(files ...inventory.LayerFile) inventory.Content {
	c := inventory.Content{Source: "shop.tar", Layers: 2, Entries: 100, Files: files}
	c.ID, c.User, c.Healthcheck, c.Steps = "sha256:aa", "app", inventory.HealthSet, inventory.Known([]inventory.Step{})
	return c
}

func TestContent(t *testing.T) {
	partial, unread := content(), content()
	partial.Partial, unread.Unread = "layer 2 is broken", "no configuration"
	step := content()
	step.Steps = inventory.Known([]inventory.Step{{Text: "RUN chmod 777 /x # buildkit"}})
	for _, c := range []struct {
		id   string
		in   inventory.Content
		want State
		text string
	}{
		{"image.key-file", content(), Pass, "no file seems to be one, of 100 entries in 2 layers"},
		{"image.key-file", content(inventory.LayerFile{Path: "/k", Layer: 1, Secret: "a private key", Gone: 2}), Fail, "/k in layer 1, though layer 2 removes it (a private key)"},
		{"image.key-file", partial, Unknown, "not all of the image was read: layer 2 is broken"},
		{"image.key-file", unread, Unknown, "the image cannot be read: no configuration"},
		{"image.setuid", content(inventory.LayerFile{Path: "/bin/su", Layer: 1, Setuid: true}), Fail, "/bin/su in layer 1"},
		{"image.setuid", content(inventory.LayerFile{Path: "/bin/su", Layer: 1, Setuid: true, Gone: 2}), Pass, "none is, of 100 entries in 2 layers"},
		{"image.ssh-server", content(inventory.LayerFile{Path: "/usr/sbin/sshd", Layer: 1, SSHServer: true}), Fail, "/usr/sbin/sshd in layer 1"},
		{"image.accounts", content(inventory.LayerFile{Path: "/etc/shadow", Layer: 1, Account: "root has no password"}), Fail, "/etc/shadow in layer 1 (root has no password)"},
		{"image.world-writable", content(), Pass, "no file is, of 100 entries in 2 layers"},
		{"image.world-writable", step, Fail, "step 1 of 1"},
		{"image.world-writable", content(inventory.LayerFile{Path: "/data", Layer: 2, WorldWritable: true}), Fail, "/data in layer 2"},
		{"image.world-writable", partial, Unknown, "not all of the image was read: layer 2 is broken"},
		{"image.root", content(), Pass, "Config.User is app"},
		{"image.root", unread, Unknown, "the image cannot be read: no configuration"},
	} {
		r := JudgeFiles(Sources{Images: []inventory.Content{c.in}}, Settings{Only: []string{c.id}})
		if len(r.Findings) != 1 || r.Findings[0].State != c.want || r.Findings[0].Detail != c.text {
			t.Errorf("%s is %+v, want %s: %s", c.id, r.Findings, c.want, c.text)
		}
	}
}
