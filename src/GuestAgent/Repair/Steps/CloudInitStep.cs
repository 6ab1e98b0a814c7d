using System.Text;
using ChannelSdk.GuestAgent.Generation;
using ChannelSdk.Linux.Files;

namespace ChannelSdk.GuestAgent.Repair.Steps;

/// <summary>
/// cloud-init sees at the next boot that this is another instance: it then finds its data source again, and compares that one's instance-id
/// with the last one's in /var/lib/cloud/data/instance-id (cloud-init's documentation, "First boot determination"), which stays for that.
/// </summary>
internal sealed class CloudInitStep() : RepairStep("cloud-init")
{
    // What it keeps of the data source lies below this link. Where the administrator has it trust that without a look, it is gone too.
    private const string Instance = "/var/lib/cloud/instance";
    private const string Key = "instance-id:";
    private const UnixFileMode Common = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
    private static readonly string[] s_seeds = ["/var/lib/cloud/seed/nocloud/meta-data", "/var/lib/cloud/seed/nocloud-net/meta-data"];

    public override StepEnd Do(RepairRun run)
    {
        if (!Directory.Exists(run.At("/var/lib/cloud")))
        {
            return StepEnd.Skipped("there is no cloud-init");
        }

        var id = run.Identity.InstanceId.Length > 0 ? run.Identity.InstanceId
            : "i-" + Convert.ToHexStringLower(Sha256.Of([.. "channelsdk instance-id"u8, .. run.Generation]))[..32];
        foreach (var seed in s_seeds)
        {
            Rename(run.At(seed), id);
        }

        if (FileIdentity.Of(run.At(Instance)) is { IsLink: true })
        {
            AtomicFile.Delete(run.At(Instance));
        }

        return StepEnd.Done();
    }

    // A data source in the guest's own disk names the instance by itself; any other one is asked at the next boot.
    private static void Rename(string seed, string id)
    {
        var lines = SmallFile.Read(seed).Split('\n');
        var at = Array.FindIndex(lines, static line => line.StartsWith(Key, StringComparison.Ordinal));
        if (at >= 0)
        {
            // As YAML takes any text.
            lines[at] = $"{Key} '{id.Replace("'", "''", StringComparison.Ordinal)}'";
            ReplacedFile.Write(seed, Encoding.UTF8.GetBytes(string.Join('\n', lines)), Common);
        }
    }
}
