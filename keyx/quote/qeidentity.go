package quote

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// qeIdentity is a QE identity of version 2: which quoting enclave may vouch for
// attestation keys (Intel PCS API version 4, "Get Quoting Enclave identity").
type qeIdentity struct {
	document
	tdx              bool
	misc, miscMask   uint32
	flags, flagsMask uint64
	xfrm, xfrmMask   uint64
	signer           [32]byte
	product          uint16
	levels           []svnLevel
}

type qeIdentityJSON struct {
	documentJSON
	Misc           *string         `json:"miscselect"`
	MiscMask       *string         `json:"miscselectMask"`
	Attributes     *string         `json:"attributes"`
	AttributesMask *string         `json:"attributesMask"`
	Signer         *string         `json:"mrsigner"`
	Product        *uint16         `json:"isvprodid"`
	Levels         *[]svnLevelJSON `json:"tcbLevels"`
}

// parseQEIdentity reads the document whose exact bytes are signed.
func parseQEIdentity(b []byte) (*qeIdentity, error) {
	var j qeIdentityJSON
	if err := unmarshalStrict(b, &j); err != nil {
		return nil, err
	}
	var m members
	var q qeIdentity
	var id string
	q.document, id = j.read(&m, qeIdentityVersion)
	q.tdx = id == idTDQE
	if m.err == nil && id != idQE && !q.tdx {
		m.err = fmt.Errorf("id %.40q, neither QE nor TD_QE", id)
	}
	var misc, miscMask [4]byte
	var attributes, mask [16]byte
	hexBytes(&m, "miscselect", j.Misc, misc[:])
	hexBytes(&m, "miscselectMask", j.MiscMask, miscMask[:])
	hexBytes(&m, "attributes", j.Attributes, attributes[:])
	hexBytes(&m, "attributesMask", j.AttributesMask, mask[:])
	hexBytes(&m, "mrsigner", j.Signer, q.signer[:])
	q.product = need(&m, "isvprodid", j.Product)
	q.levels = svnLevels(&m, j.Levels)
	if m.err != nil {
		return nil, m.err
	}
	le := binary.LittleEndian
	q.misc, q.miscMask = le.Uint32(misc[:]), le.Uint32(miscMask[:])
	q.flags, q.xfrm = le.Uint64(attributes[:]), le.Uint64(attributes[8:])
	q.flagsMask, q.xfrmMask = le.Uint64(mask[:]), le.Uint64(mask[8:])
	return &q, nil
}

// check compares a quoting enclave's report with the identity; its rating is
// another question.
func (q *qeIdentity) check(r *Report) error {
	f := r.Fields()
	switch {
	case f.Signer != q.signer:
		return errors.New("the quoting enclave has another signer than the QE identity")
	case f.ProductID != q.product:
		return fmt.Errorf("the quoting enclave is product %d, the QE identity wants %d", f.ProductID, q.product)
	case f.MiscSelect&q.miscMask != q.misc:
		return errors.New("the quoting enclave has another MISCSELECT than the QE identity")
	case f.Attributes&q.flagsMask != q.flags, f.XFRM&q.xfrmMask != q.xfrm:
		return errors.New("the quoting enclave has other attributes than the QE identity")
	}
	return nil
}
