package tls

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"dockwall/agent/cli/view"
	certs "dockwall/agent/tls"
)

func (v *verbs) initCommand() *cobra.Command {
	var open, force bool
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make the CA of this host",
		Long: `init makes a CA (ECDSA P-256, 10 years) in --dir, which only root can read. Its key
is encrypted with a passphrase, in a format that openssl reads. With --offline the
key is written elsewhere: it is needed to make and renew certificates only.`,
		Args: cobra.NoArgs,
		RunE: v.verb(func(context.Context, []string) (view.Result, error) { return v.initCA(open, force) }),
	}
	cmd.Flags().BoolVar(&open, "no-passphrase", false, "do not encrypt the CA's key")
	cmd.Flags().BoolVar(&force, "force", false, "move a CA that is there aside, and make another")
	return cmd
}

type initResult struct {
	view.Header
	certs.Authority
	Dir string `json:"dir"`
}

func (v *verbs) initCA(open, force bool) (view.Result, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	o := certs.InitOptions{Host: host, Force: force, Now: v.Env.Now()}
	// A folder that is there is an error before a passphrase is asked for.
	if err := v.folder.Vacant(force); err != nil {
		return nil, err
	}
	if !open {
		if o.Passphrase, err = v.newPassphrase(); err != nil {
			return nil, err
		}
	}
	made, err := v.folder.Init(o)
	if err != nil {
		return nil, err
	}
	return &initResult{Authority: made, Dir: v.folder.Path}, nil
}

func (r *initResult) Code() int { return view.Same }

func (r *initResult) Text(p *view.Printer) {
	p.Printf("The CA is in %s, until %s.\n", view.Printable(r.Dir), r.Certificate.NotAfter.Format("2006-01-02"))
	if r.Former != "" {
		p.Printf("The former one is kept in %s.\n", view.Printable(r.Former))
	}
	encrypted := "encrypted: without the passphrase no certificate can be made"
	if !r.Encrypted {
		encrypted = p.Yellow("not encrypted")
	}
	p.Printf("Its key is %s, %s.\n", view.Printable(r.Key), encrypted)
	p.Printf("Next: agentctl tls server\n")
}
