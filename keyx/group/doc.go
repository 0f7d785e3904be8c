// Package group keeps the group key of a domain's group: a key that the members hold and the enclave does
// not, renewed whenever somebody joins or leaves. It is a logical key hierarchy (Wong, Gouda, Lam: Secure
// Group Communications Using Key Graphs, 1998; RFC 2627, 5.4): a binary tree with a member's key in each
// leaf and a key in each node above, of which a member holds those on the way from its leaf to the root.
//
// A [Keeper] holds the whole tree. It runs where the domain's authority is, and is trusted with every
// group key. Each change of the group gives a new epoch: fresh random keys in all nodes above the members
// that came and went, each wrapped under the keys of its two children, and a record of the epoch that the
// authority signs. Record and wraps go to a [Store] on the host, which is untrusted: it may change, keep
// back, mix and replay all of them, and it sees how large the group is, when it changes, and which leaf a
// change is about, by a number and not by name.
//
// A [Member] fetches its way to the root. What it promises: the group key of an epoch is the one the
// authority's record commits to; epochs only grow, and one number has one record; whatever a host hands
// out, a refusal changes nothing. A member that left cannot compute the keys of later epochs, also with
// others that left and with all that was ever published; one that joined cannot compute those of earlier
// epochs. What it does not promise: that the host shows the newest record (a member kept ignorant goes on
// under an old epoch: see [Record.Time] and [Record.Revocation]), and secrecy from members of the moment.
//
// The layout is what makes catching up cheap: the store holds each node's newest version only, and a node
// names the hashes of its children, so that the record's one hash covers the whole tree. However many
// epochs a member has missed, it fetches at most one object for each level and checks each by its hash.
//
// The tree is binary. No degree is the best at everything: one removal from 131,072 members costs 33 wraps
// with degree 2 and 4, and 43 with 8; when many leave at once degree 4 publishes some 10 % less; a member
// that follows every epoch fetches a quarter less with degree 2, whose trees also grow in the smallest
// steps. docs/PERFORMANCE.md has the counts.
package group
