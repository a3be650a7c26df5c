package tls

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"dockwall/agent/cli/ask"
	"dockwall/agent/cli/view"
	certs "dockwall/agent/tls"
)

// verbs are the verbs below `agentctl tls`.
type verbs struct {
	*ask.App
	folder         certs.Folder
	passphraseFile string
}

// Command is the verb tls, with its own verbs.
func Command(of *ask.App) *cobra.Command {
	v := &verbs{App: of}
	cmd := &cobra.Command{
		Use:   "tls",
		Short: "Make Docker's API ask its clients for a certificate",
		Long: `tls makes the certificates of Docker's API, and proves that a port asks for them.
dockerd reads no revocation list: each client has a small CA of its own in the
bundle that dockerd trusts, so that one client can be revoked alone.

The keys of the CAs are encrypted with a passphrase. It is asked for on the
terminal, or read from the first line of --passphrase-file or of stdin. It is never
an argument, because arguments can be seen by every user of the host.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return errors.New("a verb is missing after tls: init, server, client, list, renew, revoke, verify, install or uninstall")
		},
	}
	cmd.PersistentFlags().StringVar(&v.folder.Path, "dir", certs.DefaultPath, "the folder of the certificates")
	cmd.PersistentFlags().StringVar(&v.folder.Offline, "offline", "", "the folder of the CAs' keys, such as one on a USB stick (default: that of --dir)")
	cmd.PersistentFlags().StringVar(&v.passphraseFile, "passphrase-file", "", "read the passphrase from the first line of this file (-: stdin)")
	cmd.AddCommand(v.initCommand(), v.serverCommand(), v.clientCommand(), v.listCommand(), v.renewCommand(), v.revokeCommand(), v.verifyCommand(),
		v.installCommand(), v.uninstallCommand())
	return cmd
}

// verb makes a cobra handler of a verb with arguments.
func (v *verbs) verb(do func(ctx context.Context, args []string) (view.Result, error)) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		return v.Run(func(ctx context.Context) (view.Result, error) {
			if err := v.absolute(); err != nil {
				return nil, err
			}
			return do(ctx, args)
		})(cmd, args)
	}
}

// absolute makes the folders' paths independent of the working directory: they
// are printed for use elsewhere.
func (v *verbs) absolute() (err error) {
	if v.folder.Path, err = filepath.Abs(v.folder.Path); err == nil && v.folder.Offline != "" {
		v.folder.Offline, err = filepath.Abs(v.folder.Offline)
	}
	return err
}

// passphrase returns the passphrase of the CAs' keys, asked for once.
func (v *verbs) passphrase() ([]byte, error) {
	switch {
	case v.passphraseFile != "" && v.passphraseFile != "-":
		f, err := os.Open(v.passphraseFile)
		if err != nil {
			return nil, fmt.Errorf("reading the passphrase: %w", err)
		}
		defer f.Close()
		return firstLine(f)
	case v.passphraseFile == "" && v.Env.Secret != nil:
		return v.Env.Secret("Passphrase of the CA: ")
	}
	return firstLine(v.Env.Stdin)
}

// newPassphrase is passphrase for a new one: the operator types it
// twice.
func (v *verbs) newPassphrase() ([]byte, error) {
	first, err := v.passphrase()
	if err != nil || v.passphraseFile != "" || v.Env.Secret == nil {
		return first, err
	}
	second, err := v.Env.Secret("The same again: ")
	if err == nil && !bytes.Equal(first, second) {
		err = errors.New("the two passphrases differ; nothing was made")
	}
	return first, err
}

func firstLine(r io.Reader) ([]byte, error) {
	line, err := bufio.NewReader(io.LimitReader(r, 4096)).ReadBytes('\n')
	line = bytes.TrimRight(line, "\r\n")
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("reading the passphrase: %w", err)
	case len(line) == 0:
		return nil, errors.New("there is no passphrase: type it on a terminal, or name its file with --passphrase-file")
	}
	return line, nil
}
