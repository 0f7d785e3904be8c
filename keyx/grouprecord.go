package keyx

const (
	// MaxGroupRecordBytes bounds a signed record of a group's epoch before anything of it is parsed: the
	// payload with two names of MaxNameBytes, and two signatures, in base64.
	MaxGroupRecordBytes = 8192

	groupRecordType = "scbr/group/v1"
)

// SignGroupRecord signs the record of a group's epoch, which keyx/group encodes, as an authority: a JWS
// with the signatures of all the authority's keys and typ "scbr/group/v1". An authority signs JWS inputs
// and nothing else, so that no signature of it is ever two things. Errors are BadGroup and Internal.
func SignGroupRecord(payload []byte, authority Authority) ([]byte, error) {
	const op = "sign group record"
	if authority.Public() == nil {
		return nil, fail(op, KindBadGroup, errNoAuthority)
	}
	out, err := signJWS(payload, groupRecordType, authority)
	if err != nil {
		return nil, fail(op, KindInternal, err)
	}
	if len(out) > MaxGroupRecordBytes {
		return nil, fail(op, KindBadGroup, errTooLong)
	}
	return out, nil
}

// VerifyGroupRecord returns the payload of a record that an authority of d signed with all of its keys.
// What the payload says is not looked at. Errors are BadGroup.
func VerifyGroupRecord(jws []byte, d Domain) ([]byte, error) {
	const op = "verify group record"
	if len(jws) > MaxGroupRecordBytes {
		return nil, fail(op, KindBadGroup, errTooLong)
	}
	payload, err := verifyJWS(jws, groupRecordType, d)
	if err != nil {
		return nil, fail(op, KindBadGroup, err)
	}
	return payload, nil
}

// AppendField appends F(field): its length (4 B, big endian), then its bytes. Every hash of the protocol
// is taken over such fields, its label first.
func AppendField(dst, field []byte) []byte { return appendField(dst, field) }

// ValidName reports whether s may name a domain, router, subject or group: 1 to [MaxNameBytes] bytes of
// printable UTF-8.
func ValidName(s string) bool { return validName(s) }
