// Package router is the untrusted host side of SCBR: it accepts client sessions over QUIC, and over TLS for networks without UDP, forwards their
// sealed blobs to the enclave over one link, keeps the sealed payloads, and queues what the enclave seals for each session. It keeps an
// enclave running: each has a life of its own, with its link, payloads and sessions, of which the next one sees nothing.
//
// It is not trusted with anything: it never imports the packages that could open a blob, and sees ciphertext, sizes,
// timing and fan-out. Clients may lie to it in every byte and in their timing; the enclave is trusted by the clients, but the
// router survives anything that arrives on the link as well.
//
// It promises liveness within stated bounds: before the enclave sees a byte of a client there are caps on half-open exchanges, in total
// and per address, a deadline and a frame limit, each a numbered refusal (package wire) and a named counter; every queue is
// bounded and every drop is counted under a named reason; a session that does not read stalls nobody else; an enclave that died or
// does not answer is noticed within a second and replaced. It promises no delivery and no order across sessions: clients see loss by the
// sequence numbers inside the sealed blobs.
//
// Goroutines: per session one reader (which owns the session) and one writer; one reader and one writer for the link of each life; one
// keeper of enclaves, one ticker, and one that accepts for each transport. Locks nest in one way only: session, then its queue, then the gate; all others are leaves. The dispatcher, which reads
// the link, waits for nothing but locks held for a copy.
package router
