package tls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"dockwall/agent/cli/view"
	"dockwall/agent/config"
	"dockwall/agent/tls/unit"
	"dockwall/rules/policy"
)

func (v *verbs) installCommand() *cobra.Command {
	var listen []string
	var dry, restart bool
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Have dockerd listen on TCP, for clients with a certificate only",
		Long: `install writes a drop-in for docker.service: its command as it is now, with -H and
the options of --tlsverify. It refuses to where another setting already says where
dockerd listens or with what TLS (daemon.json, the unit, docker.socket, the
environment), and says what to do there. dockerd checks its settings first.

dockerd listens on the addresses of the NICs that docker_api names with via, or else
on all; --listen says which. It does so after its next start, which ends running
containers unless live-restore is on.

Exit code: 0 done, 1 refused, 2 trouble.`,
		Args: cobra.NoArgs,
		RunE: v.verb(func(ctx context.Context, _ []string) (view.Result, error) {
			return v.install(ctx, listen, dry, restart)
		}),
	}
	cmd.Flags().StringSliceVar(&listen, "listen", nil, "an address of this host, or ADDR:PORT; may be given several times")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "print the drop-in and change nothing")
	cmd.Flags().BoolVar(&restart, "restart", false, "restart docker.service")
	return cmd
}

// installResult is the drop-in, or why there is none.
type installResult struct {
	view.Header
	Path    string   `json:"path"`
	DropIn  string   `json:"text,omitempty"`
	Command []string `json:"command,omitempty"`
	// Refused are the settings that contradict it.
	Refused []refusal `json:"refused,omitempty"`
	// Checked reports whether dockerd itself was asked about the options.
	Checked   bool `json:"checked"`
	DryRun    bool `json:"dry_run"`
	Restarted bool `json:"restarted"`
}

type refusal struct {
	Path string `json:"path,omitempty"`
	Text string `json:"text"`
	Fix  string `json:"fix"`
}

func (v *verbs) install(ctx context.Context, listen []string, dry, restart bool) (view.Result, error) {
	if err := v.NeedRoot("tls install", "reads dockerd's key and writes a drop-in of docker.service"); err != nil {
		return nil, err
	}
	if err := v.certificatesFit(); err != nil {
		return nil, err
	}
	hosts, err := v.apiHosts(ctx, listen)
	if err != nil {
		return nil, err
	}
	host, err := v.Env.Host.Docker.Look(ctx)
	if err != nil {
		return nil, err
	}
	p, err := unit.Make(host, unit.Want{Hosts: hosts, Flags: v.dockerdFlags()})
	if refused := (unit.Refused)(nil); errors.As(err, &refused) {
		r := &installResult{Path: unit.DropIn, DryRun: dry}
		for _, each := range refused {
			r.Refused = append(r.Refused, refusal(each))
		}
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	r := &installResult{Path: p.Path, DropIn: p.Text, Command: p.Command, DryRun: dry}
	if r.Checked, err = v.Env.Host.Docker.Validate(ctx, p); err != nil || dry {
		return r, err
	}
	if err := v.Env.Host.Docker.Install(ctx, p); err != nil {
		return nil, err
	}
	if restart {
		r.Restarted = true
		return r, v.Env.Host.Docker.Restart(ctx)
	}
	return r, nil
}

// certificatesFit is the error of files with which dockerd would not start.
func (v *verbs) certificatesFit() error {
	if _, err := tls.LoadX509KeyPair(v.folder.ServerCert(), v.folder.ServerKey()); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("dockerd has no certificate in %s: agentctl tls server makes it", v.folder.Path)
		}
		return fmt.Errorf("dockerd's certificate cannot be used: %w", err)
	}
	bundle, err := os.ReadFile(v.folder.Bundle())
	if err == nil && !x509.NewCertPool().AppendCertsFromPEM(bundle) {
		err = errors.New("it holds no certificate")
	}
	if err != nil {
		return fmt.Errorf("the bundle of the clients' CAs cannot be used: %w", err)
	}
	return nil
}

// apiHosts are the arguments of -H.
func (v *verbs) apiHosts(ctx context.Context, listen []string) ([]string, error) {
	if len(listen) == 0 {
		addrs, err := v.apiAddrs(ctx)
		if err != nil {
			return nil, err
		}
		for _, a := range addrs {
			listen = append(listen, a.String())
		}
	}
	if len(listen) == 0 {
		listen = []string{"0.0.0.0"} // dockerd takes it for every address of both families
	}
	var hosts []string
	for _, l := range listen {
		at, err := netip.ParseAddrPort(l)
		if err != nil {
			a, err := netip.ParseAddr(strings.Trim(l, "[]"))
			if err != nil {
				return nil, fmt.Errorf("--listen %q is no address, nor ADDR:PORT", l)
			}
			hosts = append(hosts, "tcp://"+net.JoinHostPort(a.String(), apiTLSPort))
			continue
		}
		hosts = append(hosts, "tcp://"+at.String())
	}
	return hosts, nil
}

// apiAddrs are the addresses of the NICs that docker_api names; none if it names none.
func (v *verbs) apiAddrs(ctx context.Context) ([]netip.Addr, error) {
	if _, err := os.Stat(v.Config); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	doc, err := v.Load()
	if err != nil {
		return nil, err
	}
	api := doc.Policy.DockerAPI
	if api == nil {
		v.Note("%s has no docker_api block: the port stays closed to every client except this host", v.Config)
		return nil, nil
	}
	if len(api.Via) == 0 {
		return nil, nil
	}
	return v.addrsVia(ctx, doc.Settings, api)
}

func (v *verbs) addrsVia(ctx context.Context, s config.Settings, api *policy.DockerAPI) ([]netip.Addr, error) {
	snap, _, err := v.Snapshot(ctx, s, "")
	if err != nil {
		return nil, err
	}
	addrs := policy.APIAddrs(api, snap, netip.Addr{})
	if len(addrs) == 0 {
		return nil, errors.New("the NICs that docker_api names with via have no address now: say --listen ADDR")
	}
	return addrs, nil
}

func (r *installResult) Code() int {
	if len(r.Refused) > 0 {
		return view.Differs
	}
	return view.Same
}

func (r *installResult) Text(p *view.Printer) {
	for _, each := range r.Refused {
		if each.Path != "" {
			p.Printf("%s: ", view.Printable(each.Path))
		}
		p.Printf("%s\n  %s %s\n", view.Printable(each.Text), p.Bold("What to do:"), view.Printable(each.Fix))
	}
	switch {
	case len(r.Refused) > 0:
		p.Printf("%s\n", p.Red("Nothing was changed."))
	case r.DryRun:
		p.Printf("%s would be:\n\n%s", view.Printable(r.Path), view.Printable(r.DropIn))
	case r.Restarted:
		p.Printf("The drop-in is %s, and docker.service was restarted with it.\nagentctl tls verify proves that the port asks for certificates.\n", view.Printable(r.Path))
	default:
		p.Printf("The drop-in is %s. dockerd listens so after\n  systemctl restart docker\n", view.Printable(r.Path))
	}
	if !r.Checked && len(r.Refused) == 0 {
		p.Printf("This dockerd cannot check its options beforehand (that takes 23.0).\n")
	}
}

func (v *verbs) uninstallCommand() *cobra.Command {
	var restart bool
	cmd := &cobra.Command{
		Use:   "uninstall",
		Short: "Take the drop-in of install away",
		Long: `uninstall removes the drop-in that install wrote, so that docker.service is what it
was. dockerd goes on listening until its next start. Keys and certificates stay.`,
		Args: cobra.NoArgs,
		RunE: v.verb(func(ctx context.Context, _ []string) (view.Result, error) { return v.uninstall(ctx, restart) }),
	}
	cmd.Flags().BoolVar(&restart, "restart", false, "restart docker.service")
	return cmd
}

type uninstallResult struct {
	view.Header
	Path      string `json:"path"`
	Removed   bool   `json:"removed"`
	Restarted bool   `json:"restarted"`
}

func (v *verbs) uninstall(ctx context.Context, restart bool) (view.Result, error) {
	if err := v.NeedRoot("tls uninstall", "removes a drop-in of docker.service"); err != nil {
		return nil, err
	}
	removed, err := v.Env.Host.Docker.Uninstall(ctx)
	if err != nil {
		return nil, err
	}
	r := &uninstallResult{Path: unit.DropIn, Removed: removed}
	if removed && restart {
		r.Restarted = true
		return r, v.Env.Host.Docker.Restart(ctx)
	}
	return r, nil
}

func (r *uninstallResult) Code() int { return view.Same }

func (r *uninstallResult) Text(p *view.Printer) {
	switch {
	case !r.Removed:
		p.Printf("There was no drop-in of agentctl tls install.\n")
	case r.Restarted:
		p.Printf("%s is gone, and docker.service was restarted without it.\n", view.Printable(r.Path))
	default:
		p.Printf("%s is gone. dockerd listens on TCP until\n  systemctl restart docker\n", view.Printable(r.Path))
	}
}
