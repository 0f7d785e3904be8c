package quote

import (
	"encoding/binary"
)

// SNPReportBytes is the size of an SEV-SNP attestation report (AMD SEV-SNP
// firmware ABI, document 56860, table "ATTESTATION_REPORT Structure").
const SNPReportBytes = 1184

// Offsets of the report, little endian throughout.
const (
	offSNPVersion     = 0x000 // u32
	offSNPGuestSVN    = 0x004 // u32
	offSNPPolicy      = 0x008 // u64
	offSNPVMPL        = 0x030 // u32
	offSNPSigAlgo     = 0x034 // u32
	offSNPFlags       = 0x048 // u32, then u32 of zeros
	offSNPReportData  = 0x050 // 64 bytes
	offSNPMeasurement = 0x090 // 48 bytes
	offSNPHostData    = 0x0c0 // 32 bytes
	offSNPIDKey       = 0x0e0 // 48 bytes
	offSNPTCB         = 0x180 // u64, the reported one
	offSNPCPUID       = 0x188 // family, model, stepping from version 3 on, then zeros
	offSNPChipID      = 0x1a0 // 64 bytes
	offSNPLaunchTCB   = 0x1f0 // u64, from version 5 on followed by two mitigation vectors
	offSNPMitigation  = 0x1f8
	offSNPSignature   = 0x2a0 // R, S of 72 bytes each, little endian; zeros
	snpScalarBytes    = 72
	snpVMPLs          = 4
)

// Bits of the guest policy and of the flags.
const (
	snpPolicyReservedOne    = 1 << 17
	snpPolicyMigrationAgent = 1 << 18
	snpPolicyDebug          = 1 << 19
	snpPolicyBits           = 26 // the bits from here on are zero

	snpFlagMaskChipKey = 1 << 1
	snpSigningKeyShift = 2
	snpSigningKeyMask  = 7

	snpKeyVCEK = 0 // the chip's own key
	snpKeyVLEK = 1 // a key that AMD gave to the chip's owner

	snpSigECDSAP384 = 1
)

// SNPReport is an SEV-SNP attestation report as signed, byte for byte.
type SNPReport [SNPReportBytes]byte

// SNPFields are the parts of a report that this package reads.
type SNPFields struct {
	// Version is 2, 3 or 5.
	Version uint32
	// GuestSVN is the guest's security version, of its id block.
	GuestSVN uint32
	// Policy are the guest's terms, VMPL the privilege level that asked.
	Policy uint64
	VMPL   uint32
	// MaskChipKey: the chip's id and key are hidden; SigningKey says which signed.
	MaskChipKey bool
	SigningKey  uint8
	ReportData  [64]byte
	// Measurement is of the launch; HostData is the host's own.
	Measurement [48]byte
	HostData    [32]byte
	// IDKeyDigest is of the key that signed the id block; zeros: nobody.
	IDKeyDigest [48]byte
	// TCB is the reported one, undecoded; see GuestTCB.
	TCB    uint64
	ChipID [64]byte
}

// Debug tells whether the host may debug the guest, MigrationAgent whether another
// guest may move its memory elsewhere.
func (f *SNPFields) Debug() bool { return f.Policy&snpPolicyDebug != 0 }

// MigrationAgent tells whether another guest may move its memory elsewhere.
func (f *SNPFields) MigrationAgent() bool { return f.Policy&snpPolicyMigrationAgent != 0 }

// Fields returns the named parts of the report.
func (r *SNPReport) Fields() SNPFields {
	le := binary.LittleEndian
	flags := le.Uint32(r[offSNPFlags:])
	return SNPFields{
		Version: le.Uint32(r[offSNPVersion:]), GuestSVN: le.Uint32(r[offSNPGuestSVN:]),
		Policy: le.Uint64(r[offSNPPolicy:]), VMPL: le.Uint32(r[offSNPVMPL:]),
		MaskChipKey: flags&snpFlagMaskChipKey != 0, SigningKey: uint8(flags >> snpSigningKeyShift & snpSigningKeyMask),
		ReportData: [64]byte(r[offSNPReportData:]), Measurement: [48]byte(r[offSNPMeasurement:]),
		HostData: [32]byte(r[offSNPHostData:]), IDKeyDigest: [48]byte(r[offSNPIDKey:]),
		TCB: le.Uint64(r[offSNPTCB:]), ChipID: [64]byte(r[offSNPChipID:]),
	}
}

// isSNP tells a report from a DCAP quote, which has a key type where a report has
// the upper half of its version.
func isSNP(raw []byte) bool {
	if len(raw) < headerBytes {
		return false
	}
	switch binary.LittleEndian.Uint32(raw) {
	case 2, 3, 4, 5:
		return true
	}
	return false
}

// ParseSNP reads a report. Zeros may follow it, as clouds pad; any other trailing
// byte, another version or signature algorithm, and bytes that the ABI wants to be
// zero and are not, are a *Refusal. Nothing in it is authenticated.
func ParseSNP(raw RawQuote) (SNPReport, error) {
	if r := checkSNP(raw); r != nil {
		return SNPReport{}, r
	}
	return SNPReport(raw), nil
}

func checkSNP(raw []byte) *Refusal {
	if len(raw) < SNPReportBytes || len(raw) > MaxQuoteBytes {
		return malformed("%d bytes, an SEV-SNP report has %d", len(raw), SNPReportBytes)
	}
	r := SNPReport(raw)
	f := r.Fields()
	le := binary.LittleEndian
	if algo := le.Uint32(r[offSNPSigAlgo:]); f.Version < 2 || f.Version == 4 || f.Version > 5 || algo != snpSigECDSAP384 {
		refusal := malformed("SEV-SNP report of version %d with signature algorithm %d", f.Version, algo)
		refusal.Check = CheckVersion
		return refusal
	}
	cpuid, mitigation := offSNPCPUID, offSNPMitigation
	if f.Version >= 3 {
		cpuid += 3
	}
	if f.Version >= 5 {
		mitigation += 16
	}
	for _, zeros := range [...][2]int{
		{offSNPFlags + 4, offSNPReportData},
		{cpuid, offSNPChipID},
		{0x1eb, 0x1ec},
		{0x1ef, offSNPLaunchTCB},
		{mitigation, offSNPSignature},
		{offSNPSignature + 2*snpScalarBytes, SNPReportBytes},
		{SNPReportBytes, len(raw)},
	} {
		for i := zeros[0]; i < zeros[1]; i++ {
			if raw[i] != 0 {
				return malformed("byte %#x of the SEV-SNP report is not zero", i)
			}
		}
	}
	if f.VMPL >= snpVMPLs || f.SigningKey > snpKeyVLEK || le.Uint32(r[offSNPFlags:])>>5 != 0 {
		return malformed("VMPL %d, signing key %d of the SEV-SNP report", f.VMPL, f.SigningKey)
	}
	return checkGuestPolicy(f.Policy)
}

// checkGuestPolicy looks at the reserved bits: 17 is one, those from 26 on are zero.
func checkGuestPolicy(policy uint64) *Refusal {
	if policy&snpPolicyReservedOne == 0 || policy>>snpPolicyBits != 0 {
		return malformed("reserved bits of the guest policy %#x", policy)
	}
	return nil
}

// decodeTCB takes a TCB_VERSION apart, which the Turin family lays out anew.
func decodeTCB(raw uint64, turin bool) GuestTCB {
	at := func(i int) uint8 { return uint8(raw >> (8 * i)) }
	if turin {
		return GuestTCB{FMC: at(0), Bootloader: at(1), TEE: at(2), SNP: at(3), Microcode: at(7)}
	}
	return GuestTCB{Bootloader: at(0), TEE: at(1), SNP: at(6), Microcode: at(7)}
}

// reaches tells whether every version is at least that of want.
func (t GuestTCB) reaches(want GuestTCB) bool {
	return t.Bootloader >= want.Bootloader && t.TEE >= want.TEE && t.SNP >= want.SNP &&
		t.Microcode >= want.Microcode && t.FMC >= want.FMC
}
