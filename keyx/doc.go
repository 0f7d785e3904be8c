// Package keyx is the attested key exchange between a client and an enclave, and everything that
// rests on it: sealed session blobs, content keys, sealed payloads, and grants.
//
// Everybody may lie to it. The host carries, drops, changes, replays and invents every message,
// configures every enclave it starts, and staples collateral; a client may hold any grant; a matched
// subscriber may collude with the host.
//
// It promises: a [Session] exists only after the peer has proved itself (the enclave by a quote over
// its key, the client's own configuration digest and the key schedule; the client by a grant of the
// domain's authority and a proof of possession over the whole transcript); a blob is opened once, in
// its session, direction and place; a payload is handed out only when the commitment and the attribute
// hash of its envelope agree with it. No constructor and no option skips a check.
//
// It does not promise: that a genuine enclave runs at the router it is named for (that needs an
// endorsement), forward secrecy of the grant in message 3 against an active host that later captures
// the enclave's key, or order and completeness of blobs beyond reporting what is missing.
//
// The package is pure and deterministic: randomness and time are arguments. Byte layouts, labels and
// the reasons why no nonce repeats are in docs/PROTOCOL.md.
package keyx
