// Package sim is a world in one process and in virtual time: real clients speak QUIC through a simulated network to a real router, which keeps a
// real enclave core running. The network loses, repeats, reorders, delays and corrupts datagrams, drops those above its MTU, and gives clients
// new source ports; the enclave is killed in between. A judge that knows what was published says whether anybody was deceived.
//
// A seed fixes the plan of a world and what happens to the n-th datagram of each flow. It does not fix which datagrams there are: where
// several goroutines are ready at the same virtual moment, Go's scheduler and its select statements choose, and quic-go packs accordingly. So
// a seed brings the same faults back, in the same places, but not the same trace to the byte.
package sim
