package client

import (
	"runtime"

	"golang.org/x/sys/cpu"
)

// withoutAES says that this machine has no instructions for AES-GCM that we know of: then the suite with
// ChaCha20-Poly1305 is asked for.
func withoutAES() bool {
	switch runtime.GOARCH {
	case "amd64", "386":
		return !cpu.X86.HasAES || !cpu.X86.HasPCLMULQDQ
	case "arm64":
		return runtime.GOOS != "darwin" && (!cpu.ARM64.HasAES || !cpu.ARM64.HasPMULL) // every Apple arm64 has them
	case "s390x":
		return !cpu.S390X.HasAES || !cpu.S390X.HasAESGCM
	default:
		return true
	}
}
