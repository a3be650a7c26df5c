package tls

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"dockwall/agent/cli/view"
	certs "dockwall/agent/tls"
)

// apiTLSPort is Docker's port for its API with TLS.
const apiTLSPort = "2376"

func (v *verbs) clientCommand() *cobra.Command {
	var dir string
	var days int
	var force bool
	cmd := &cobra.Command{
		Use:   "client NAME",
		Short: "Make a client's key and certificate",
		Long: `client makes ca.pem, cert.pem and key.pem for a user or program that is to use
Docker's API: who has the three is root on this host. They have the names that the
docker command expects in DOCKER_CERT_PATH. dockerd accepts the client after its
next start.

Without -o they are written to the client's folder in --dir: bring them to the
client's host over a private channel, such as scp, and remove
key.pem here. A renewal needs neither.`,
		Args: cobra.ExactArgs(1),
		RunE: v.verb(func(_ context.Context, args []string) (view.Result, error) {
			o := certs.ClientOptions{Name: args[0], Lifetime: time.Duration(days) * certs.Day, Dir: dir, Force: force}
			return v.client(o, days)
		}),
	}
	cmd.Flags().IntVar(&days, "days", int(certs.ClientLifetime/certs.Day), "how long the certificate is valid")
	cmd.Flags().StringVarP(&dir, "output", "o", "", "the folder for ca.pem, cert.pem and key.pem")
	cmd.Flags().BoolVar(&force, "force", false, "revoke a client of this name, and replace the files in the folder")
	return cmd
}

// clientResult is a client that was made or renewed.
type clientResult struct {
	view.Header
	certs.Client
	// Context is the command that makes a context of Docker with the files.
	Context string `json:"context_command"`
	renewed bool
}

// maxDays is ten years, the CA's own lifetime.
const maxDays = 3652

func (v *verbs) client(o certs.ClientOptions, days int) (view.Result, error) {
	if days < 1 || days > maxDays {
		return nil, fmt.Errorf("--days is %d; it has to be 1 to %d", days, maxDays)
	}
	var err error
	if o.Dir, err = absolutePath(o.Dir); err != nil {
		return nil, err
	}
	o.Passphrase, o.Now = v.passphrase, v.Env.Now()
	c, err := v.folder.Client(o)
	if err != nil {
		return nil, err
	}
	return v.clientResult(c, false), nil
}

func absolutePath(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	return filepath.Abs(path)
}

func (v *verbs) clientResult(c certs.Client, renewed bool) *clientResult {
	return &clientResult{Client: c, Context: v.contextCommand(c), renewed: renewed}
}

// contextCommand is the command for the client's host. The address is the first
// of the server's certificate that another host can dial.
func (v *verbs) contextCommand(c certs.Client) string {
	host := "HOST"
	if inv, err := v.folder.List(v.Env.Now()); err == nil {
		for _, s := range inv.Certificates {
			if s.Kind == certs.KindServer {
				host = dialled(s.Names)
			}
		}
	}
	return fmt.Sprintf("docker context create %s --docker \"host=tcp://%s,ca=%s,cert=%s,key=%s\"", c.Certificate.Name, net.JoinHostPort(host, apiTLSPort),
		filepath.Join(c.Dir, "ca.pem"), filepath.Join(c.Dir, "cert.pem"), filepath.Join(c.Dir, "key.pem"))
}

func dialled(n *certs.Names) string {
	for _, a := range n.Addrs {
		if !a.IsLoopback() {
			return a.String()
		}
	}
	for _, d := range n.DNS {
		if d != "localhost" {
			return d
		}
	}
	return "HOST"
}

func (r *clientResult) Code() int { return view.Same }

func (r *clientResult) Text(p *view.Printer) {
	if r.renewed {
		p.Printf("The new certificate of %s is %s, until %s. Its key stays the same, and dockerd accepts it at once.\n",
			view.Printable(r.Certificate.Name), view.Printable(filepath.Join(r.Dir, "cert.pem")), r.Certificate.NotAfter.Format("2006-01-02"))
		return
	}
	p.Printf("The certificate and key of %s are in %s, until %s.\n", view.Printable(r.Certificate.Name), view.Printable(r.Dir), r.Certificate.NotAfter.Format("2006-01-02"))
	p.Printf("dockerd accepts them after its next start: systemctl restart docker\n")
	p.Printf("On the client's host, with the three files in the same folder there:\n  %s\n", view.Printable(r.Context))
}
