// Package measure measures what each wall around the matcher costs for one publication: the matcher alone; the trusted core
// (enclave.Core), which opens sealed headers, matches and seals envelopes; and the real enclaved, a process behind its unix socket.
//
// It is client and host at once: it holds session keys, writes the frames of package abi and reads the answers. Nobody lies to it but
// the enclave that it starts, and that is checked: for every event and every way of asking, the subscriptions named in the opened
// envelopes are compared with a linear scan's before anything is timed, and in every timed pass the number of envelopes again. A
// difference is an error. It does not promise a quiet machine: sides take turns, and ratios are of passes beside each other. It does not
// show what SGX costs: its process boundary is an ordinary one.
package measure
