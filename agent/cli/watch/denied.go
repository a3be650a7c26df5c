package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	"dockwall/agent/cli/ask"
	"dockwall/agent/cli/view"
	"dockwall/agent/control"
	"dockwall/agent/denied"
)

// deniedLines is how many lines of the past are shown first, where nothing else
// is asked for.
const deniedLines = 10

// deniedFlags are those of the verb.
type deniedFlags struct {
	since     time.Duration
	container string
	lines     int
	noFollow  bool
}

// Denied is the verb denied.
func Denied(of *ask.App) *cobra.Command {
	a := &app{of}
	var f deniedFlags
	c := &cobra.Command{
		Use:   "denied",
		Short: "Follow what is refused, as it happens",
		Long: `denied shows the packets that were refused: when, the NIC they came in by, from
where, the container and port they were for, and the policy that refused them
and where it stands in the file. It shows the last ones first and then each as
it happens, until it is interrupted.

It needs agentd, and log_denied = true in agent.hcl (the default). The kernel
reports at most ten packets a second for each rule.

With --json each packet is one line.

Exit code: 0 done or interrupted, 2 no daemon.`,
		Args: cobra.NoArgs,
	}
	c.Flags().DurationVar(&f.since, "since", 0, "begin with what was refused this long ago, such as 10m")
	c.Flags().StringVar(&f.container, "container", "", "only what comes from or goes to the container with this `name`")
	c.Flags().IntVarP(&f.lines, "lines", "n", -1, "show at most the last `count` of the past (default: 10, with --since all that are kept)")
	c.Flags().BoolVar(&f.noFollow, "no-follow", false, "end after the past")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if f.since < 0 || cmd.Flags().Changed("lines") && f.lines < 0 {
			return errors.New("--since and --lines cannot be negative")
		}
		if !cmd.Flags().Changed("lines") && f.since == 0 {
			f.lines = deniedLines
		}
		a.Code = view.Same
		if err := a.denied(cmd.Context(), f); err != nil {
			a.Code = a.Trouble(err)
		}
		return nil
	}
	return c
}

// denied prints lines as they come; there is no one result to show at the end.
func (a *app) denied(ctx context.Context, f deniedFlags) error {
	q := control.DeniedQuery{Lines: f.lines, Container: f.container, Past: f.noFollow}
	if f.since > 0 {
		q.Since = a.Env.Now().Add(-f.since)
	}
	show := a.showDenied
	if a.JSON {
		show = a.writeDenied
	}
	err := control.Denied(ctx, control.NewClient(a.AnySocket()), q, show)
	if ctx.Err() != nil {
		return nil // interrupted: that is how one leaves
	}
	return err
}

// deniedLine is the JSON of a line.
type deniedLine struct {
	view.Header
	denied.Line
}

// writeDenied writes one line of JSON, unlike writeJSON.
func (a *app) writeDenied(l denied.Line) error {
	enc := json.NewEncoder(a.Env.Stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(deniedLine{Line: l})
}

func (a *app) showDenied(l denied.Line) error {
	p := a.Printer(a.Env.Stdout)
	if l.Lost > 0 {
		p.Printf("%s\n", p.Yellow(fmt.Sprintf("... %s lost: they came faster than they were read", view.Count(int(l.Lost), "line"))))
		return p.Flush()
	}
	policy := p.Red(view.Printable(l.Policy))
	if l.Position != "" {
		policy += " " + view.Printable(l.Position)
	}
	p.Printf("%s  %-8s %-20s > %-20s %-12s %s\n", l.Time.Local().Format("2006-01-02 15:04:05.000"), view.Printable(l.NIC),
		view.Printable(who(l.SourceContainer, l.Source)), view.Printable(who(l.Container, l.Destination)), deniedPort(l.Packet), policy)
	return p.Flush()
}

// who returns a container's name, and any other host's address.
func who(container string, a netip.Addr) string {
	if container != "" {
		return container
	}
	return a.String()
}

// deniedPort is 443/tcp, or what there is for protocols without ports.
func deniedPort(p denied.Packet) string {
	name := view.Printable(p.Protocol)
	switch {
	case p.ICMPType != nil:
		return fmt.Sprintf("%s type %d", name, *p.ICMPType)
	case p.Port == 0:
		return name
	}
	return fmt.Sprintf("%d/%s", p.Port, name)
}
