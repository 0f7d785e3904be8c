package ego

import (
	"bytes"
	"encoding/binary"
)

// A seal key's info is SGX's KEYREQUEST (Intel SDM vol. 3D, "Key Request
// (KEYREQUEST)"), little endian. Offsets and values of what decides who gets the
// same key:
const (
	keyRequestBytes = 512

	offKeyName       = 0  // u16
	offKeyPolicy     = 2  // u16
	offKeyReserved   = 6  // u16, zero
	offAttributeMask = 24 // u64 flags, then u64 XFRM
	offMiscMask      = 72 // u32, the last field
	offKeyRest       = 76 // zeros: CONFIGSVN and reserved bytes

	keyNameSeal = 4
	// keyPolicySigner derives from MRSIGNER and ISVPRODID. Without it the key does
	// not depend on who signed, so that anybody's enclave gets it.
	keyPolicySigner = 2

	// attributeMask and miscMask are the bits with a meaning for security that Open
	// Enclave has the key depend on (OE_SEALKEY_DEFAULT_FLAGSMASK, _MISCMASK). Bit 1
	// is DEBUG: without it, an enclave under a debugger would have the key.
	attributeMask = 0xFF0000000000000B
	miscMask      = 0xF0000000
)

// checkSealInfo accepts requests for a key of this signer and product, which a debug
// enclave does not get. The SVNs and the key id are free: hardware gives keys of
// this or an older version only.
func checkSealInfo(info []byte) error {
	le := binary.LittleEndian
	if len(info) != keyRequestBytes || // the runtime takes the address of the first byte
		le.Uint16(info[offKeyName:]) != keyNameSeal ||
		le.Uint16(info[offKeyPolicy:]) != keyPolicySigner ||
		le.Uint16(info[offKeyReserved:]) != 0 ||
		le.Uint64(info[offAttributeMask:])&attributeMask != attributeMask ||
		le.Uint32(info[offMiscMask:])&miscMask != miscMask ||
		!bytes.Equal(info[offKeyRest:], make([]byte, keyRequestBytes-offKeyRest)) {
		return ErrSealInfo
	}
	return nil
}
