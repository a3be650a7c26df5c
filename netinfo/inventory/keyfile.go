package inventory

import "strings"

// KeyFile says what a file holds that has such a path: keys, or passwords of a
// registry, a cloud or a repository. It is empty if the name says nothing.
func KeyFile(path string) string {
	path = strings.TrimRight(path, "/")
	folder, name := "", path
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		folder, name = path[:i], path[i+1:]
	}
	parent := folder[strings.LastIndexByte(folder, '/')+1:]
	switch name {
	case "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "id_ecdsa_sk", "id_ed25519_sk":
		return "a private key of SSH"
	case ".ssh":
		return "a folder of SSH keys"
	case ".npmrc", ".pypirc", ".netrc", "_netrc", ".git-credentials", ".dockercfg", ".pgpass", ".my.cnf", ".htpasswd", ".vault-token", ".terraformrc", ".s3cfg", ".boto":
		return "passwords or tokens"
	case "kubeconfig":
		return "access to a cluster"
	case ".git":
		return "the history of a repository, with what was removed from it"
	}
	switch parent + "/" + name {
	case ".docker/config.json", ".aws/credentials", ".kube/config", ".config/gh/hosts.yml", "gcloud/application_default_credentials.json", ".azure/accessTokens.json":
		return "passwords or tokens"
	}
	if name == ".env" || strings.HasPrefix(name, ".env.") && !sample(name) {
		return "variables of an environment"
	}
	return ""
}

// KeyName says what a file holds whose ending is mostly that of a key. In packages
// there are such files without keys, so that its content has to decide where it is known.
func KeyName(path string) string {
	name := path[strings.LastIndexByte(path, '/')+1:]
	for _, end := range []string{".key", ".p12", ".pfx", ".jks", ".keystore", ".kdbx", ".ppk"} {
		if strings.HasSuffix(name, end) {
			return "a key"
		}
	}
	stem, pem := strings.CutSuffix(name, ".pem")
	if pem && (strings.Contains(stem, "key") || strings.HasPrefix(stem, "id_") || strings.Contains(stem, "private")) {
		return "a key"
	}
	return ""
}

// sample reports whether a file of variables is an example.
func sample(name string) bool {
	for _, end := range []string{"example", "sample", "template", "dist", "tpl", "test"} {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}
