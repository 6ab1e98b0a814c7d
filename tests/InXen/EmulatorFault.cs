namespace ChannelSdk.InXen;

/// <summary>
/// A fault of QEMU 7.2's SVM: now and then a PVH domain goes on at an address of Xen's instead of its own, and ends by a triple fault. No program
/// in a domain can bring that about.
/// </summary>
internal static class EmulatorFault
{
    // e008 is the segment; the line behind it says whose registers they are. Some come as the triple fault alone.
    private const string Count = "{ xl dmesg | grep -A1 'RIP:    e008:' | grep 'CONTEXT: hvm guest'; xl dmesg | grep 'Triple fault'; } | wc -l";

    /// <summary>Whether Xen's log has one.</summary>
    public static bool HasBeen() => Dom0.ShAsync(Count).GetAwaiter().GetResult() is not ("0" or "");

    /// <summary>What Xen has said last, in one line.</summary>
    public static string LastWords() => Dom0.ShAsync("xl list; xl dmesg | tail -n 30").GetAwaiter().GetResult().ReplaceLineEndings(" | ");
}
