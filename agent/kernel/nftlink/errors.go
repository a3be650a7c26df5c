package nftlink

import (
	"fmt"

	"dockwall/rules/nft"
)

// OpError is the error of a transaction, which has changed nothing.
type OpError struct {
	// Index is the operation that was refused, and Op what it is. Index is -1 if the kernel
	// refused the transaction as a whole.
	Index int
	Op    nft.Op
	// Said is the kernel's own message; often there is none.
	Said string
	Err  error
}

func (e *OpError) Error() string {
	s := e.Err.Error()
	if e.Said != "" {
		s += " (" + e.Said + ")"
	}
	if e.Index < 0 {
		return s
	}
	return fmt.Sprintf("%s: %s", Describe(e.Op), s)
}

// Unwrap returns the kernel's error, such as unix.ENOENT.
func (e *OpError) Unwrap() error { return e.Err }

// Describe says on one line what an operation does.
func Describe(op nft.Op) string {
	switch op := op.(type) {
	case nft.AddTable:
		return "making the table"
	case nft.DeleteTable:
		return "deleting the table"
	case nft.AddChain:
		return "making the chain " + op.Name
	case nft.FlushChain:
		return "emptying the chain " + op.Name
	case nft.DeleteChain:
		return "deleting the chain " + op.Name
	case nft.AddRule:
		return fmt.Sprintf("adding to the chain %s the rule %q", op.Chain, op.Rule.Comment)
	case nft.AddSet:
		return fmt.Sprintf("making the set %s of %d elements", op.Set.Name, len(op.Set.Elements))
	case nft.DeleteSet:
		return "deleting the set " + op.Name
	case nft.AddElements:
		return fmt.Sprintf("adding %d elements to the set %s", len(op.Elements), op.Set)
	case nft.DeleteElements:
		return fmt.Sprintf("deleting %d elements from the set %s", len(op.Elements), op.Set)
	}
	return fmt.Sprintf("%T", op)
}
