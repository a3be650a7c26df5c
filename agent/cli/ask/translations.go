package ask

import (
	"context"

	"dockwall/netinfo"
)

// AddTranslations adds the nat rules of other programs to the facts.
func (a *App) AddTranslations(ctx context.Context, s *netinfo.Snapshot) {
	switch {
	case a.Env.Host.Translations == nil:
		return
	case a.Env.EUID != 0:
		a.Note("only root may read the nat rules of other programs, so the answer does not follow them: run it with sudo")
		return
	}
	var err error
	if s.Translations, err = a.Env.Host.Translations(ctx); err != nil {
		a.Note("not all nat rules of other programs could be read, and the answer may not follow them: %v", err)
	}
}
