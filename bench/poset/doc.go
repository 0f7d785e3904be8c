// Package poset is the structure that package matcher is measured against: the
// containment poset of SCBR (Pires et al., Middleware 2016) with a pointer in
// every node, written anew. It is a baseline for benchmarks and nothing else
// uses it.
//
// A node holds one filter and the list of its subscribers; it hangs below the
// first node on each level whose filter covers its own. Insertion compares the
// new filter with every sibling on its way down and moves below it those that it
// covers. Match tests every root, and the children of a node only where the node
// matches. There is no index and no removal.
//
// Node, constraints and subscribers are separate blocks, each with the header
// that malloc would give it, in the region of a [matcher.Memory]; links are
// 8-byte offsets. Blocks are as roomy as the C++ objects they stand for: SCBR
// takes 500 to 800 bytes a subscription, this package 528 on SCBR's own sample
// of 1,000, which is 192 for the node, 128 for each of two constraints and 80 for
// the subscriber. Of these 152 are room that nothing here reads or writes: they
// keep the density of the model, and with it the pages that a match visits.
//
// Where the Memory is also a [matcher.Toucher], it is told every block that
// Match and Insert read or write, whole and room included, so that pages can be
// counted.
//
// Filters are conjunctions of =, <, <=, >, >= and BETWEEN on int64 and float64,
// and = on strings; all others are refused. Filters and events may be hostile:
// the package promises the exact answer for all of them, and that an insertion
// that does not fit the memory changes nothing. It promises no bound on time:
// inserting incomparable filters is quadratic, as in its model. Equal filters
// share a node where the descent meets it, which is not always. A Poset has one
// owner at a time, Match included.
package poset
