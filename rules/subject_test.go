package rules_test

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"dockwall/rules"
)

func TestParseSubject(t *testing.T) {
	for text, want := range map[string]rules.Subject{
		"published.shop":      {Kind: rules.KindPublished, Name: "shop"},
		"network.shop.back":   {Kind: rules.KindNetwork, Name: "shop.back"},
		"defaults.published":  {Kind: rules.KindDefaults, Name: "published"},
		"docker_api":          {Kind: rules.KindDockerAPI},
		"loopback.martian":    {Kind: rules.KindMartian},
		"not.docker":          {Kind: rules.KindNotDocker},
		"direct":              {Kind: rules.KindDirect},
		"direct.site-to-site": {Kind: rules.KindDirect, Name: "site-to-site"},
		"published.":          {Kind: "published."},
		"":                    {},
	} {
		if got := rules.ParseSubject(text); got != want {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
}

// Rule comments and JSON show a subject as one word, which leads back to it.
func TestSubjectRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`(published|network|loopback|block)\.[a-z.]*`)).Draw(t, "text")
		s := rules.ParseSubject(text)
		if s.String() != text {
			t.Fatalf("%q became %q", text, s)
		}
		o := rules.Origin{Subject: rules.ParseSubject("block.a"), Line: 3}
		j, err := json.Marshal(o)
		if err != nil || string(j) != `{"policy":"block.a","line":3}` {
			t.Fatalf("%s, %v", j, err)
		}
		var back rules.Origin
		if err := json.Unmarshal(j, &back); err != nil || back != o {
			t.Fatalf("%+v, %v", back, err)
		}
	})
}

func TestFraming(t *testing.T) {
	for text, want := range map[string]bool{"published.shop": false, "docker_api": false, "network.a": false, "defaults.host": false,
		"direct.vpn": false, "direct": true, "hold": true, "dispatch": true, "none": true} {
		if got := rules.ParseSubject(text).Framing(); got != want {
			t.Errorf("%s: framing %v, want %v", text, got, want)
		}
	}
}
