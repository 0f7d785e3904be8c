package router

import (
	"encoding/hex"
	"sync"
	"sync/atomic"

	"github.com/scbr/scbr/enclave/abi"
	"github.com/scbr/scbr/router/wire"
)

// watchBytes bounds how much of a blob and of a payload a Glimpse shows.
const watchBytes = 128

// watchRecipients bounds the recipients that a Glimpse lists: an enclave that names the same publication without end must not fill the
// memory, and nobody looks at more.
const watchRecipients = 1024

// Glimpse is one publication as the host sees it: everything it could tell anybody. It exists so that an operator or an auditor can look.
type Glimpse struct {
	// Publisher is the connection number of the session that sent it.
	Publisher uint64 `json:"publisher_connection"`
	// HeaderBytes and Header are the length and the beginning (hex) of the sealed headers it came with.
	HeaderBytes int    `json:"sealed_header_bytes"`
	Header      string `json:"sealed_header"`
	// PayloadBytes and Payload are the length and the beginning (hex) of its sealed payload.
	PayloadBytes int    `json:"sealed_payload_bytes"`
	Payload      string `json:"sealed_payload"`
	// Recipients are the connection numbers of the sessions that the enclave named for it, the first 1024; complete once Handled.
	Recipients []uint64 `json:"recipient_connections"`
	// Handled says that the enclave is done with it.
	Handled bool `json:"handled"`
}

// watch records the next publication. Idle it costs one atomic load per publish frame and per delivery.
type watch struct {
	state atomic.Uint32

	mu  sync.Mutex
	ref uint64
	got Glimpse
}

// States of a watch.
const (
	watchIdle uint32 = iota
	watchArmed
	watchTaken // a publication was taken; its deliveries are recorded until it is handled
)

// Watch forgets what was recorded and records the next publication that arrives.
func (r *Router) Watch() {
	r.watch.mu.Lock()
	defer r.watch.mu.Unlock()
	r.watch.got = Glimpse{}
	r.watch.state.Store(watchArmed)
}

// Glimpse returns the publication recorded since the last Watch; ok is false while there is none.
func (r *Router) Glimpse() (g Glimpse, ok bool) {
	w := &r.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	g = w.got
	g.Recipients = append([]uint64{}, w.got.Recipients...)
	return g, g.Publisher != 0
}

func cutHex(b []byte) string { return hex.EncodeToString(b[:min(len(b), watchBytes)]) }

// publication takes the first payload of a frame whose references start at ref.
func (w *watch) publication(conn uint64, f *wire.Frame, ref uint64) {
	if w.state.Load() != watchArmed {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	payloads := f.Payloads()
	b, ok := payloads.Next()
	if !ok || !w.state.CompareAndSwap(watchArmed, watchTaken) {
		return
	}
	w.ref = ref
	w.got = Glimpse{Publisher: conn, HeaderBytes: len(f.Blob), Header: cutHex(f.Blob), PayloadBytes: len(b), Payload: cutHex(b)}
}

// delivery notes that conn gets the publication, if it is among the references of f.
func (w *watch) delivery(f *abi.Frame) {
	if w.state.Load() != watchTaken {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range int(f.Count) {
		if f.RefAt(i) == w.ref && len(w.got.Recipients) < watchRecipients {
			w.got.Recipients = append(w.got.Recipients, f.Conn)
			return
		}
	}
}

// handled ends the recording when the publication is among the references that the enclave is done with.
func (w *watch) handled(ref uint64, count int) {
	if w.state.Load() != watchTaken {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ref >= ref && w.ref-ref < uint64(count) {
		w.got.Handled = true
		w.state.Store(watchIdle)
	}
}
