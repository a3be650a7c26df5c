package audit

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"dockwall/agent/audit"
	"dockwall/agent/cli/view"
	"dockwall/agent/config"
	"dockwall/netinfo/composefile"
	"dockwall/netinfo/dockerfile"
	checks "dockwall/rules/audit"
)

// sourceFlags are the files that audit judges in place of the host.
type sourceFlags struct {
	dockerfiles []string
	composes    []string
	images      []string
}

func (f *sourceFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.dockerfiles, "dockerfile", nil, "judge this Dockerfile in place of the host; may be given again (`file`)")
	cmd.Flags().StringArrayVar(&f.composes, "compose", nil, "judge the services of this Compose file in place of the host; may be given again (`file`)")
	cmd.Flags().StringArrayVar(&f.images, "image", nil, "judge this image, with its layers, in place of the host: an archive of docker save or OCI, or a `name` that Docker knows; may be given again")
}

func (f *sourceFlags) given() bool { return len(f.dockerfiles)+len(f.composes)+len(f.images) > 0 }

// auditSources judges files in place of the host. It asks neither the engine nor agentd.
func (a *app) auditSources(ctx context.Context, f auditFlags) (view.Result, error) {
	files := checks.Sources{Now: a.Env.Now().Unix()}
	for _, name := range f.sources.images {
		images, err := a.images(ctx, name, f.docker)
		if err != nil {
			return nil, err
		}
		files.Images = append(files.Images, images...)
	}
	for _, path := range f.sources.dockerfiles {
		d, err := dockerfile.Read(path)
		if err != nil {
			return nil, err
		}
		files.Dockerfiles = append(files.Dockerfiles, d)
	}
	for _, path := range f.sources.composes {
		c, err := composefile.Read(ctx, path)
		if err != nil {
			return nil, err
		}
		files.Composes = append(files.Composes, c)
	}
	doc, _ := config.Load(a.Config)
	if f.failOn == "" {
		f.failOn = config.AuditOf(doc).FailOn // of a file with errors, the default
	}
	s := audit.Settings(doc, a.Env.Now().Format(time.DateOnly), "")
	s.Only = f.only
	r := checks.JudgeFiles(files, s)
	return &auditResult{Findings: r.Findings, report: r, flags: f, version: a.Env.Version}, nil
}
