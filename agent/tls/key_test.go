package tls

import (
	"encoding/asn1"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func secret(s string) Passphrase { return func() ([]byte, error) { return []byte(s), nil } }

// openssl runs openssl with something on its stdin.
func openssl(t *testing.T, input string, args ...string) string {
	t.Helper()
	program, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed; test/setup.sh does that")
	}
	cmd := exec.Command(program, args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("openssl %v: %v", args, err)
	}
	return string(out)
}

func TestOpenSSLReadsEncryptedKeys(t *testing.T) {
	key, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	text, err := encodeKey(key, []byte("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	if !isEncrypted(text) {
		t.Fatalf("the key is not encrypted:\n%s", text)
	}
	plain := openssl(t, string(text), "pkcs8", "-passin", "pass:correct horse")
	if got, err := decodeKey([]byte(plain), nil); err != nil || !got.Equal(key) {
		t.Errorf("openssl reads another key: %v", err)
	}
}

func TestKeysEncryptedByOpenSSL(t *testing.T) {
	key, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	text, err := encodeKey(key, nil)
	if err != nil {
		t.Fatal(err)
	}
	encrypted := []byte(openssl(t, string(text), "pkcs8", "-topk8", "-passout", "pass:correct horse"))
	if got, err := decodeKey(encrypted, secret("correct horse")); err != nil || !got.Equal(key) {
		t.Errorf("a key that openssl encrypted: %v", err)
	}
	if _, err := decodeKey(encrypted, secret("correct horsf")); !errors.Is(err, ErrPassphrase) {
		t.Errorf("with a wrong passphrase: %v", err)
	}
	old := []byte(openssl(t, string(text), "pkcs8", "-topk8", "-v2", "des3", "-passout", "pass:x123"))
	if _, err := decodeKey(old, secret("x123")); err == nil || !strings.Contains(err.Error(), "AES-256-CBC") {
		t.Errorf("a key that is encrypted with triple DES: %v", err)
	}
}

// A wrong passphrase or a damaged file is an error, never a panic or a wrong key.
func TestDecryptWithoutTheRightPassphrase(t *testing.T) {
	der := []byte("0123456789abcdef-a key")
	good, err := encrypt(der, []byte("right"), 3)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := decrypt(good, []byte("right")); err != nil || string(got) != string(der) {
		t.Fatalf("with the right passphrase: %q, %v", got, err)
	}
	rapid.Check(t, func(t *rapid.T) {
		text := append([]byte{}, good...)
		passphrase := rapid.SliceOfN(rapid.Byte(), 0, 6).Draw(t, "passphrase")
		if rapid.Bool().Draw(t, "damaged") {
			text[rapid.IntRange(0, len(text)-1).Draw(t, "at")] ^= rapid.ByteRange(1, 255).Draw(t, "bits")
		} else if string(passphrase) == "right" {
			t.Skip("it is the right one")
		}
		if got, err := decrypt(text, passphrase); err == nil && string(got) == string(der) {
			t.Fatalf("decrypted with %q", passphrase)
		}
	})
}

// A file may not keep the program busy for hours.
func TestDecryptBoundsTheWork(t *testing.T) {
	text, err := encrypt([]byte("key"), []byte("p"), 2)
	if err != nil {
		t.Fatal(err)
	}
	var e encryptedKey
	if _, err := asn1.Unmarshal(text, &e); err != nil {
		t.Fatal(err)
	}
	e.Algorithm.Parameters.KDF.Parameters.Iterations = maxIterations + 1
	if text, err = asn1.Marshal(e); err != nil {
		t.Fatal(err)
	}
	if _, err := decrypt(text, []byte("p")); err == nil || !strings.Contains(err.Error(), "rounds") {
		t.Errorf("%d rounds: %v", maxIterations+1, err)
	}
}
