using System.Globalization;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;

namespace ChannelSdk.GuestAgent.Repair.Steps;

/// <summary>
/// The SSH server's own keys: new ones of the kinds that the guest has, all of them made before the first takes its place. The server
/// reads them when it handles the signal, which it does before anything else once it runs again.
/// </summary>
internal sealed class HostKeyStep() : RepairStep("ssh-host-keys")
{
    private const string Folder = "/etc/ssh";
    private const string Prefix = "ssh_host_";
    private const string Suffix = "_key";
    private const UnixFileMode Common = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private static readonly string[] s_kinds = ["ed25519", "ecdsa", "rsa", "dsa"];
    private static readonly string[] s_pidFiles = ["/run/sshd.pid", "/var/run/sshd.pid"];

    public override bool IsMandatory(RepairRun run) => Kinds(run).Length > 0;

    public override StepEnd Do(RepairRun run)
    {
        var kinds = Kinds(run);
        if (kinds.Length == 0)
        {
            return StepEnd.Skipped($"there are no host keys in {Folder}");
        }

        // Beside them, so that a rename suffices. A killed agent leaves it behind.
        var made = run.At(Folder + "/.channel-agent");
        Remove(made);
        Directory.CreateDirectory(made, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        try
        {
            foreach (var kind in kinds)
            {
                if (run.RunProgram("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", $"{made}/{KeyOf(kind)}") is { } wrong)
                {
                    return StepEnd.Failed(wrong);
                }

                File.SetUnixFileMode($"{made}/{KeyOf(kind)}.pub", Common);
            }

            foreach (var kind in kinds)
            {
                AtomicFile.Move($"{made}/{KeyOf(kind)}.pub", run.At($"{Folder}/{KeyOf(kind)}.pub"));
                AtomicFile.Move($"{made}/{KeyOf(kind)}", run.At($"{Folder}/{KeyOf(kind)}"));
            }
        }
        finally
        {
            Remove(made);
        }

        return StepEnd.Done(Tell(run));
    }

    private static string Tell(RepairRun run)
    {
        foreach (var file in s_pidFiles)
        {
            if (int.TryParse(SmallFile.Read(run.At(file)).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var pid) && pid > 1
                && SmallFile.Read(run.At($"/proc/{pid}/comm")).Trim() == "sshd")
            {
                var error = run.Platform.Signal(pid, Abi.SIGHUP);
                return error == 0 ? "" : $"sshd has to be restarted to read them: {Errno.Describe(error)}";
            }
        }

        return "no sshd runs that would have to read them";
    }

    private static string[] Kinds(RepairRun run) => [.. s_kinds.Where(kind => File.Exists(run.At($"{Folder}/{KeyOf(kind)}")))];

    private static string KeyOf(string kind) => Prefix + kind + Suffix;

    private static void Remove(string folder)
    {
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
