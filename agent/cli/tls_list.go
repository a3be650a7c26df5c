package cli

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	certs "dockwall/agent/tls"
)

func (v *tlsVerbs) listCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the certificates: whose, and until when",
		Long: `list shows the CA, dockerd's certificate and those of the clients that are not
revoked. It needs no passphrase.

Exit code: 0 all are valid, 1 one has ended or something is wrong, 2 trouble.`,
		Args: cobra.NoArgs,
		RunE: v.verb(func(context.Context, []string) (result, error) { return v.list() }),
	}
}

type tlsListResult struct {
	header
	certs.Inventory
}

func (v *tlsVerbs) list() (result, error) {
	inv, err := v.folder.List(v.env.Now())
	if err != nil {
		return nil, err
	}
	return &tlsListResult{Inventory: inv}, nil
}

// code is 1 if something has to be done now. A certificate that only ends soon
// works.
func (r *tlsListResult) code() int {
	if len(r.Problems) > 0 {
		return exitDiffers
	}
	for _, c := range r.Certificates {
		if c.Expired || len(c.Problems) > 0 && !c.Expiring || len(c.Problems) > 1 {
			return exitDiffers
		}
	}
	return exitSame
}

func (r *tlsListResult) text(p *printer) {
	w := tabwriter.NewWriter(p, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tKIND\tUNTIL\tKEY\tREMARKS")
	for _, c := range r.Certificates {
		line := printable(c.Name) + "\t" + string(c.Kind) + "\t" + c.NotAfter.Format("2006-01-02") + "\t" + c.Key + "\t"
		for i, problem := range c.Problems {
			if i > 0 {
				line += "; "
			}
			line += printable(problem)
		}
		fmt.Fprintln(w, line)
	}
	p.fail(w.Flush())
	for _, problem := range r.Problems {
		p.printf("%s %s\n", p.yellow("Warning:"), printable(problem))
	}
}
