package sim

import (
	"crypto/sha512"

	"github.com/scbr/scbr/keyx/quote"
)

// Variant is another kind of simulated platform than Create makes. It has no more
// power than the files: everything stands under its own simulation root.
type Variant struct {
	// Version is the quote's: 3 (zero means that; 4 for TDX), 4 or 5.
	Version uint16
	// TDX makes TD quotes. Version 5 has the body of TDX 1.5.
	TDX bool
	// TD, if not nil, edits the TD report before it is signed.
	TD func(*quote.TDReport)
	// QEReport, if not nil, edits the quoting enclave's report before it is signed.
	QEReport func(*quote.ReportFields)
	// Collateral, if not nil, edits what is published, before it is signed.
	Collateral func(*Collateral)
}

// report is the TD's: measurements of its own, which stay the same.
func (v *Variant) report(reportData [64]byte) quote.TDReport {
	r := quote.TDReport{
		TEETCBSVN: teeTCBSVN(), Attributes: 1 << 28, XFAM: xfrm, // SEPT_VE_DISABLE
		MRTD: sha512.Sum384([]byte("scbr/sim/mrtd/v1")), ReportData: reportData,
	}
	for i := range r.RTMR {
		r.RTMR[i] = sha512.Sum384([]byte{'r', byte(i)})
	}
	if v.TD != nil {
		v.TD(&r)
	}
	return r
}

// apply turns an SGX quote of version 3 into one of this variant.
func (v *Variant) apply(q *quote.Quote, reportData [64]byte) {
	if v.Version != 0 {
		q.Version = v.Version
	}
	if !v.TDX {
		return
	}
	if v.Version == 0 {
		q.Version = quote.Version4
	}
	q.TEE, q.BodyType, q.Reserved = quote.TEETypeTDX, quote.BodyTDX10, [4]byte{}
	if q.Version == quote.Version5 {
		q.BodyType = quote.BodyTDX15
	}
	r := v.report(reportData)
	q.Body = r.Body(q.BodyType)
}
