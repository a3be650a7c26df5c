package cli

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	certs "dockwall/agent/tls"
)

func (v *tlsVerbs) initCommand() *cobra.Command {
	var open, force bool
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make the CA of this host",
		Long: `init makes a CA (ECDSA P-256, 10 years) in --dir, which only root can read. Its key
is encrypted with a passphrase, in a format that openssl reads. With --offline the
key is written elsewhere: it is needed to make and renew certificates only.`,
		Args: cobra.NoArgs,
		RunE: v.verb(func(context.Context, []string) (result, error) { return v.initCA(open, force) }),
	}
	cmd.Flags().BoolVar(&open, "no-passphrase", false, "do not encrypt the CA's key")
	cmd.Flags().BoolVar(&force, "force", false, "move a CA that is there aside, and make another")
	return cmd
}

type tlsInitResult struct {
	header
	certs.Authority
	Dir string `json:"dir"`
}

func (v *tlsVerbs) initCA(open, force bool) (result, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	o := certs.InitOptions{Host: host, Force: force, Now: v.env.Now()}
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
	return &tlsInitResult{Authority: made, Dir: v.folder.Path}, nil
}

func (r *tlsInitResult) code() int { return exitSame }

func (r *tlsInitResult) text(p *printer) {
	p.printf("The CA is in %s, until %s.\n", printable(r.Dir), r.Certificate.NotAfter.Format("2006-01-02"))
	if r.Former != "" {
		p.printf("The former one is kept in %s.\n", printable(r.Former))
	}
	encrypted := "encrypted: without the passphrase no certificate can be made"
	if !r.Encrypted {
		encrypted = p.yellow("not encrypted")
	}
	p.printf("Its key is %s, %s.\n", printable(r.Key), encrypted)
	p.printf("Next: agentctl tls server\n")
}
