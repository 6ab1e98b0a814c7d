namespace ChannelSdk.GuestAgent.Configuration;

/// <summary>Whether and where the agent answers the QEMU guest agent's protocol.</summary>
/// <param name="Uri">The endpoint; null for none.</param>
/// <param name="IsAuto">It may be missing, which is worth no word.</param>
internal sealed record QgaSetting(string? Uri, bool IsAuto = false)
{
    /// <summary>The port that libvirt and Proxmox give a guest for its agent, where there is one.</summary>
    public static QgaSetting Auto { get; } = new("virtio-port://org.qemu.guest_agent.0", IsAuto: true);

    /// <summary>Several clients at a time, each with files of its own.</summary>
    public bool IsSocket => Uri?.StartsWith("unix-listen:", StringComparison.Ordinal) == true;

    /// <summary>Reads "auto", "off" or an absolute path; null if it is none of them.</summary>
    public static QgaSetting? Parse(string value) => value switch
    {
        "auto" => Auto,
        "off" => new QgaSetting((string?)null),
        _ when value.Length < 2 || value[0] != '/' || value[^1] == '/' => null,
        _ => new QgaSetting((value.StartsWith("/dev/", StringComparison.Ordinal) ? "virtio-port://" : "unix-listen://") + value),
    };
}
