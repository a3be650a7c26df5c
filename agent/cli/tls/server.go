package tls

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"dockwall/agent/cli/view"
	"dockwall/agent/config"
	certs "dockwall/agent/tls"
	"dockwall/rules/policy"
)

func (v *verbs) serverCommand() *cobra.Command {
	var sans []string
	var force bool
	cmd := &cobra.Command{
		Use:   "server",
		Short: "Make dockerd's key and certificate",
		Long: `server makes dockerd's key and certificate (398 days). It is valid for the addresses
of the NICs that docker_api names with via, or else of every NIC that is no Docker
bridge; for this host's name, localhost and the loopback addresses; and for what
--san adds. Clients compare the address that they dial with these names.`,
		Args: cobra.NoArgs,
		RunE: v.verb(func(ctx context.Context, _ []string) (view.Result, error) { return v.server(ctx, sans, force) }),
	}
	cmd.Flags().StringSliceVar(&sans, "san", nil, "a further name or address of this host; may be given several times")
	cmd.Flags().BoolVar(&force, "force", false, "replace the key and certificate that are there")
	return cmd
}

// serverResult is dockerd's certificate.
type serverResult struct {
	view.Header
	Certificate certs.Certificate `json:"certificate"`
	// Flags are what dockerd is started with.
	Flags []string `json:"dockerd_flags"`
	// Restart reports whether dockerd shows it only after its next start.
	Restart bool `json:"restart_dockerd"`
}

func (v *verbs) server(ctx context.Context, sans []string, force bool) (view.Result, error) {
	names, err := v.hostNames(ctx, sans)
	if err != nil {
		return nil, err
	}
	c, err := v.folder.Server(certs.ServerOptions{Names: names, Passphrase: v.passphrase, Force: force, Now: v.Env.Now()})
	if err != nil {
		return nil, err
	}
	return v.serverResult(c), nil
}

func (v *verbs) serverResult(c certs.Certificate) *serverResult {
	return &serverResult{Certificate: c, Flags: v.dockerdFlags(), Restart: true}
}

// dockerdFlags are those that make dockerd ask for a certificate.
func (v *verbs) dockerdFlags() []string {
	return []string{"--tlsverify", "--tlscacert=" + v.folder.Bundle(), "--tlscert=" + v.folder.ServerCert(), "--tlskey=" + v.folder.ServerKey()}
}

// hostNames are the names under which clients reach this host.
func (v *verbs) hostNames(ctx context.Context, sans []string) (certs.Names, error) {
	var n certs.Names
	var errs []error
	for _, san := range sans {
		errs = append(errs, n.Add(san))
	}
	if err := errors.Join(errs...); err != nil {
		return certs.Names{}, err
	}
	if host, err := os.Hostname(); err == nil {
		if short, _, ok := strings.Cut(host, "."); ok {
			_ = n.Add(short)
		}
		if err := n.Add(host); err != nil {
			v.Note("this host's name is left out: %v", err)
		}
	}
	settings, api := config.DefaultSettings(v.Config), (*policy.DockerAPI)(nil)
	if _, err := os.Stat(v.Config); err == nil {
		doc, err := v.Load()
		if err != nil {
			return certs.Names{}, err
		}
		settings, api = doc.Settings, doc.Policy.DockerAPI
	}
	snap, _, err := v.Snapshot(ctx, settings, "")
	if err != nil {
		return certs.Names{}, err
	}
	for _, a := range policy.APIAddrs(api, snap, netip.Addr{}) {
		if err := n.Add(a.String()); err != nil {
			return certs.Names{}, err
		}
	}
	return n, nil
}

func (r *serverResult) Code() int { return view.Same }

func (r *serverResult) Text(p *view.Printer) {
	p.Printf("dockerd's certificate is %s, until %s.\n", view.Printable(r.Certificate.Path), r.Certificate.NotAfter.Format("2006-01-02"))
	names := slices.Clone(r.Certificate.Names.DNS)
	for _, a := range r.Certificate.Names.Addrs {
		names = append(names, a.String())
	}
	p.Printf("It is valid for %s.\n", view.Printable(strings.Join(names, ", ")))
	p.Printf("dockerd reads it when it starts, with\n  %s\n", view.Printable(strings.Join(r.Flags, " ")))
}
