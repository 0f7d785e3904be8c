package client

import (
	"time"

	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/quote"
)

// knownEnclave is what a Client keeps of the enclave of its last session, in memory only, so that the next handshake is
// shorter: its statement, which need not be sent again, and the means to resume, which saves all public-key work.
// Neither is trust: a statement is verified anew, and a session is resumed only for as long after a verification as
// keyx.ResumeMaxAge says, by the very instance that it was with.
type knownEnclave struct {
	statement  []byte
	verdict    quote.Verdict
	verifiedAt time.Time
	resumption *keyx.Resumption // used once
	evaluation uint32           // the highest tcbEvaluationDataNumber that was verified: older collateral is a roll-back
}

// offer puts what is known into a handshake, which uses the resumption up.
func (k *knownEnclave) offer(h *handshake, now time.Time) {
	h.cached = k.statement
	h.evaluation = k.evaluation
	if r := k.resumption; r != nil {
		k.resumption = nil
		if age := now.Sub(k.verifiedAt); age >= 0 && age < keyx.ResumeMaxAge {
			h.resume = r
		} else {
			r.Clear()
		}
	}
}

// remember takes what a handshake that was confirmed has taught.
func (k *knownEnclave) remember(h *handshake, now time.Time) {
	k.resumption = h.session.Resumption
	if h.resumed {
		h.verdict = k.verdict
		return
	}
	k.statement, k.verdict, k.verifiedAt = h.statement, h.verdict, now
	k.evaluation = max(k.evaluation, h.verdict.TCBEvaluation)
}
