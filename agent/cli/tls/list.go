package tls

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"dockwall/agent/cli/view"
	certs "dockwall/agent/tls"
)

func (v *verbs) listCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the certificates: whose, and until when",
		Long: `list shows the CA, dockerd's certificate and those of the clients that are not
revoked. It needs no passphrase.

Exit code: 0 all are valid, 1 one has ended or something is wrong, 2 trouble.`,
		Args: cobra.NoArgs,
		RunE: v.verb(func(context.Context, []string) (view.Result, error) { return v.list() }),
	}
}

type listResult struct {
	view.Header
	certs.Inventory
}

func (v *verbs) list() (view.Result, error) {
	inv, err := v.folder.List(v.Env.Now())
	if err != nil {
		return nil, err
	}
	return &listResult{Inventory: inv}, nil
}

// Code is 1 if something has to be done now. A certificate that only ends soon
// works.
func (r *listResult) Code() int {
	if len(r.Problems) > 0 {
		return view.Differs
	}
	for _, c := range r.Certificates {
		if c.Expired || len(c.Problems) > 0 && !c.Expiring || len(c.Problems) > 1 {
			return view.Differs
		}
	}
	return view.Same
}

func (r *listResult) Text(p *view.Printer) {
	w := tabwriter.NewWriter(p, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tKIND\tUNTIL\tKEY\tREMARKS")
	for _, c := range r.Certificates {
		line := view.Printable(c.Name) + "\t" + string(c.Kind) + "\t" + c.NotAfter.Format("2006-01-02") + "\t" + c.Key + "\t"
		for i, problem := range c.Problems {
			if i > 0 {
				line += "; "
			}
			line += view.Printable(problem)
		}
		fmt.Fprintln(w, line)
	}
	p.Fail(w.Flush())
	for _, problem := range r.Problems {
		p.Printf("%s %s\n", p.Yellow("Warning:"), view.Printable(problem))
	}
}
