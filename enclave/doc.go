// Package enclave is the trusted core: it holds sessions, grants, filters and
// content keys, matches publications with subscriptions, and seals for each
// matched subscriber what it needs to open a payload that never comes in here.
//
// Who may lie to it: the host, which writes every frame, drops, repeats and
// reorders them, and chooses the time; and every client, within its own session.
// A client is believed only what its grant says and its keys prove.
//
// It promises: a frame that a host could only have invented changes nothing but
// the connection it names, and the answer is a number; a publication is matched
// once, only if its publisher's grant allows its attributes, and acknowledged
// after its envelopes are sealed; an envelope names the publisher from its grant
// and the attributes that were matched; nothing that leaves, errors included,
// shows a filter, an attribute, a key or a name. After an error from Step the
// state is not to be trusted and the process must end.
//
// It does not promise delivery, nor order among sessions, nor to hide sizes,
// timing and fan-out from the host.
//
// The core is deterministic: one goroutine calls Step with the time and whole
// frames (package enclave/abi); randomness is an argument. In one Step, frames
// are handled in order; envelopes gather per session and are sealed as few blobs
// at its end, then the acknowledgements, then heartbeats when they are due, then
// the Handled frames that let the host free payloads.
package enclave
