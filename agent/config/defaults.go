package config

import (
	"dockwall/rules"
	"dockwall/rules/policy"
)

// defaultDefaults is what holds without a defaults block.
func defaultDefaults() policy.Defaults {
	return policy.Defaults{Published: policy.Deny, Direct: policy.Deny, Between: policy.Allow, Egress: policy.Allow, DNS: policy.Allow, Host: policy.Allow, Spoofing: policy.Allow,
		Origin: rules.Origin{Subject: rules.Subject{Kind: "defaults"}}}
}

// defaults decodes the defaults block.
func (d *decoder) defaults(s *section) {
	p := &d.doc.Policy.Defaults
	for _, k := range policy.Defaulted() {
		s.action(string(k), p.Of(k))
	}
	p.Origin = s.origin()
}

// action takes allow or deny.
func (s *section) action(name string, target *policy.Action) {
	text := string(*target)
	s.enum(name, &text, string(policy.Allow), string(policy.Deny))
	*target = policy.Action(text)
}
