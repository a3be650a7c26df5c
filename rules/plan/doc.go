// Package plan holds the steps from the ruleset in the kernel to another one, as data.
//
// A backend (rules/backend) makes plans, and agent/kernel runs them. A Plan can be
// printed, compared, kept in a file, replayed on the fake kernel of rules/ruletest and
// stopped between any two steps. This package neither decides nor runs anything.
//
// A Step carries an Action, and the actions are a closed sum: this package declares all
// of them, Actions lists them, and tests fail if the runner, the printer or the fake
// kernel lacks one.
//
// Invariants:
//
//  1. After every prefix of Steps each family holds the old ruleset or the new one,
//     whole. The same is true if the last step of the prefix is marked Beside and the
//     step before it has not run.
//  2. Rollback, run after any such prefix of Steps, restores the old ruleset.
//
// Thread safety: values.
package plan
