package policy

import (
	"testing"

	"dockwall/netinfo"
)

func TestGlob(t *testing.T) {
	for _, tc := range []struct {
		pattern, s string
		want       bool
	}{
		{"web-*", "web-1", true}, {"web-*", "web", false}, {"*", "", true}, {"", "", true}, {"", "a", false},
		{"nginx:*", "nginx:1.27", true}, {"*/nginx:*", "registry.example/library/nginx:1", true},
		{"a*b*c", "aXbYbZc", true}, {"a*b*c", "aXbYbZ", false}, {"a?c", "abc", true}, {"a?c", "ac", false}, {"**", "x", true},
	} {
		if got := Glob(tc.pattern, tc.s); got != tc.want {
			t.Errorf("Glob(%q, %q) = %v, want %v", tc.pattern, tc.s, got, tc.want)
		}
	}
}

func TestSelectorMatch(t *testing.T) {
	c := netinfo.Container{Name: "shop-web-1", Image: "nginx", Labels: map[string]string{
		"tier": "frontend", "com.docker.compose.project": "shop", "com.docker.compose.service": "web"}}
	for name, tc := range map[string]struct {
		s    Selector
		want bool
	}{
		"nothing asked":        {Selector{}, true},
		"name":                 {Selector{Names: []string{"db", "shop-*"}}, true},
		"other name":           {Selector{Names: []string{"db"}}, false},
		"untagged is latest":   {Selector{Images: []string{"nginx:*"}}, true},
		"label glob":           {Selector{Labels: []LabelMatch{{"tier", "front*"}}}, true},
		"absent label":         {Selector{Labels: []LabelMatch{{"zone", "*"}}}, false},
		"compose":              {Selector{Compose: []Compose{{"shop", "w*"}}}, true},
		"other compose":        {Selector{Compose: []Compose{{"shop", "db"}}}, false},
		"all attributes count": {Selector{Names: []string{"shop-*"}, Images: []string{"redis*"}}, false},
	} {
		if got := tc.s.Match(c); got != tc.want {
			t.Errorf("%s: Match = %v, want %v", name, got, tc.want)
		}
	}
}
