package tls

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dockwall/agent/cli/view"
	certs "dockwall/agent/tls"
)

// renewFlags are renew's own.
type renewFlags struct {
	dir  string
	days int
	sans []string
}

func (v *verbs) renewCommand() *cobra.Command {
	var f renewFlags
	cmd := &cobra.Command{
		Use:   "renew [NAME|server]",
		Short: "Make another certificate for the same key",
		Long: `renew makes another certificate for the key of a client, or of dockerd ("server").
The client's host needs the new cert.pem only, and dockerd accepts it at once;
dockerd shows its own after its next start. Without a name, it renews whatever has
ended or ends within 30 days.`,
		Args: cobra.MaximumNArgs(1),
		RunE: v.verb(func(ctx context.Context, args []string) (view.Result, error) { return v.renew(ctx, args, f) }),
	}
	cmd.Flags().StringVarP(&f.dir, "output", "o", "", "write a client's new cert.pem to this folder, too")
	cmd.Flags().IntVar(&f.days, "days", 0, "how long a client's certificate is valid (default: as long as the former one)")
	cmd.Flags().StringSliceVar(&f.sans, "san", nil, "a further name or address in dockerd's certificate")
	return cmd
}

// renewResult is what was renewed.
type renewResult struct {
	view.Header
	Renewed []certs.Certificate `json:"renewed"`
	// Restart reports whether dockerd has to be restarted.
	Restart bool `json:"restart_dockerd"`
}

func (v *verbs) renew(ctx context.Context, args []string, f renewFlags) (view.Result, error) {
	if f.days < 0 || f.days > maxDays {
		return nil, fmt.Errorf("--days is %d; it has to be 1 to %d", f.days, maxDays)
	}
	names := args
	if len(args) == 0 {
		if f.dir != "" {
			return nil, errors.New("--output is for one client: name it")
		}
		inv, err := v.folder.List(v.Env.Now())
		if err != nil {
			return nil, err
		}
		for _, c := range inv.Certificates {
			if (c.Expired || c.Expiring) && c.Kind != certs.KindAuthority {
				names = append(names, c.Name)
			}
		}
		if err := v.folder.Complete(); err != nil {
			return nil, err
		}
	}
	o := certs.RenewOptions{Lifetime: time.Duration(f.days) * certs.Day, Now: v.Env.Now()}
	var err error
	if o.Dir, err = absolutePath(f.dir); err != nil {
		return nil, err
	}
	// One passphrase for all of them.
	o.Passphrase = certs.Once(v.passphrase)
	r := &renewResult{Renewed: []certs.Certificate{}}
	for _, name := range names {
		if err := v.renewOne(ctx, name, o, f.sans, r); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (v *verbs) renewOne(ctx context.Context, name string, o certs.RenewOptions, sans []string, r *renewResult) error {
	if name != certs.ServerName {
		c, err := v.folder.RenewClient(name, o)
		if err == nil {
			r.Renewed = append(r.Renewed, c.Certificate)
		}
		return err
	}
	var err error
	if o.Names, err = v.hostNames(ctx, sans); err != nil {
		return err
	}
	c, err := v.folder.RenewServer(o)
	if err == nil {
		r.Renewed, r.Restart = append(r.Renewed, c), true
	}
	return err
}

func (r *renewResult) Code() int { return view.Same }

func (r *renewResult) Text(p *view.Printer) {
	if len(r.Renewed) == 0 {
		p.Printf("No certificate ends within 30 days: nothing was renewed.\n")
	}
	for _, c := range r.Renewed {
		p.Printf("%s has a new certificate, %s, until %s.\n", view.Printable(c.Name), view.Printable(c.Path), c.NotAfter.Format("2006-01-02"))
	}
	if r.Restart {
		p.Printf("dockerd shows its own after its next start: systemctl restart docker\n")
	}
}

func (v *verbs) revokeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "revoke NAME...",
		Short: "Take clients out of the bundle that dockerd trusts",
		Long: `revoke takes a client's CA out of the bundle. dockerd reads the bundle when it
starts: after that it refuses this client and accepts every other as before. The
client's keys on this host are removed. No passphrase is needed.`,
		Args: cobra.MinimumNArgs(1),
		RunE: v.verb(func(_ context.Context, args []string) (view.Result, error) { return v.revoke(args) }),
	}
}

// revokeResult is the client that is revoked.
type revokeResult struct {
	view.Header
	Revoked []certs.Revoked `json:"revoked"`
	Restart bool            `json:"restart_dockerd"`
}

func (v *verbs) revoke(names []string) (view.Result, error) {
	r := &revokeResult{Restart: true}
	for _, name := range names {
		one, err := v.folder.Revoke(name)
		if err != nil {
			return nil, err
		}
		r.Revoked = append(r.Revoked, one)
	}
	return r, nil
}

func (r *revokeResult) Code() int { return view.Same }

func (r *revokeResult) Text(p *view.Printer) {
	var names []string
	for _, one := range r.Revoked {
		names = append(names, one.Name)
	}
	p.Printf("%s: taken out of the bundle. %s until dockerd starts again: systemctl restart docker\n",
		view.Printable(strings.Join(names, ", ")), p.Bold("Still accepted"))
}
