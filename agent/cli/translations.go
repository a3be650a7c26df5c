package cli

import (
	"context"

	"dockwall/netinfo"
)

// addTranslations adds the nat rules of other programs to the facts.
func (a *app) addTranslations(ctx context.Context, s *netinfo.Snapshot) {
	switch {
	case a.env.Host.Translations == nil:
		return
	case a.env.EUID != 0:
		a.note("only root may read the nat rules of other programs, so the answer does not follow them: run it with sudo")
		return
	}
	var err error
	if s.Translations, err = a.env.Host.Translations(ctx); err != nil {
		a.note("not all nat rules of other programs could be read, and the answer may not follow them: %v", err)
	}
}
