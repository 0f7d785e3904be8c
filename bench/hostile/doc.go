// Package hostile plays the host that nobody trusts: between real clients and a real enclave core stands a host that drops, repeats, reorders,
// swaps, cuts, forges and reflects what it carries, at places drawn from a seed, and a judge that knows what was published says whether
// anybody was deceived. Nothing of the clients or the core is replaced; only the transport is memory and time is virtual.
package hostile
