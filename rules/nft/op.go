package nft

// Op is one operation of a transaction on a table. The sum is closed: AllOps lists one value
// of each.
type Op interface{ op() string }

// Ops are the operations of one transaction, in order.
type Ops []Op

// AddTable makes the table. It is no error if the table exists.
type AddTable struct{}

// DeleteTable deletes the table with all that is in it.
type DeleteTable struct{}

// AddChain makes a chain. Its rules are added by AddRule. It is no error if the chain exists
// with this hook: rollbacks rely on that.
type AddChain struct {
	Name string `json:"name"`
	Hook *Hook  `json:"hook,omitempty"`
}

// FlushChain deletes the chain's rules.
type FlushChain struct {
	Name string `json:"name"`
}

// DeleteChain deletes a chain that has no rules, and that none leads to.
type DeleteChain struct {
	Name string `json:"name"`
}

// AddRule appends a rule to a chain.
type AddRule struct {
	Chain string `json:"chain"`
	Rule  Rule   `json:"rule"`
}

// AddSet makes a set, with its elements. If the set exists and is of this type, its elements
// are added, which is no error: rollbacks rely on that.
type AddSet struct {
	Set Set `json:"set"`
}

// DeleteSet deletes a set that no rule looks at.
type DeleteSet struct {
	Name string `json:"name"`
}

// AddElements adds elements to a set. It is no error if one is there.
type AddElements struct {
	Set      string    `json:"set"`
	Elements []Element `json:"elements"`
}

// DeleteElements deletes elements from a set. It is an error if one is not there.
type DeleteElements struct {
	Set      string    `json:"set"`
	Elements []Element `json:"elements"`
}

func (AddTable) op() string       { return "add_table" }
func (DeleteTable) op() string    { return "delete_table" }
func (AddChain) op() string       { return "add_chain" }
func (FlushChain) op() string     { return "flush_chain" }
func (DeleteChain) op() string    { return "delete_chain" }
func (AddRule) op() string        { return "add_rule" }
func (AddSet) op() string         { return "add_set" }
func (DeleteSet) op() string      { return "delete_set" }
func (AddElements) op() string    { return "add_elements" }
func (DeleteElements) op() string { return "delete_elements" }

// AllOps returns a value of each type of operation.
func AllOps() []Op {
	return []Op{AddTable{}, DeleteTable{}, AddChain{}, FlushChain{}, DeleteChain{}, AddRule{}, AddSet{}, DeleteSet{}, AddElements{}, DeleteElements{}}
}
