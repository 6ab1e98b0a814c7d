using System.Text;
using ChannelSdk.GuestAgent.Generation;
using ChannelSdk.Linux.Files;

namespace ChannelSdk.GuestAgent.Repair.Steps;

/// <summary>The machine-id (machine-id(5)), and the copies of it that are files of their own.</summary>
internal sealed class MachineIdStep() : RepairStep("machine-id")
{
    private const string Place = "/etc/machine-id";
    private const UnixFileMode AllRead = UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private static readonly string[] s_copies = ["/run/machine-id", "/var/lib/dbus/machine-id"];

    public override bool IsMandatory(RepairRun run) => File.Exists(run.At(Place));

    public override StepEnd Do(RepairRun run)
    {
        if (!File.Exists(run.At(Place)))
        {
            return StepEnd.Skipped($"there is no {Place}");
        }

        var line = Encoding.ASCII.GetBytes(Convert.ToHexStringLower(IdOf(run)) + "\n");
        ReplacedFile.Write(run.At(Place), line, AllRead);
        foreach (var copy in s_copies)
        {
            // A link leads to the first one.
            if (FileIdentity.Of(run.At(copy)) is { IsRegular: true })
            {
                ReplacedFile.Write(run.At(copy), line, AllRead);
            }
        }

        return StepEnd.Done();
    }

    /// <summary>The host's, or one of the generation: the same one each time that this repair runs.</summary>
    private static byte[] IdOf(RepairRun run)
    {
        if (!run.Identity.MachineId.IsEmpty)
        {
            return run.Identity.MachineId.ToByteArray();
        }

        var id = Sha256.Of([.. "channelsdk machine-id"u8, .. run.Generation])[..16];
        // As systemd makes its own: a UUID of version 4, variant DCE.
        id[6] = (byte)((id[6] & 0x0f) | 0x40);
        id[8] = (byte)((id[8] & 0x3f) | 0x80);
        return id;
    }
}
