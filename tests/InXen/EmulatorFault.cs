namespace ChannelSdk.InXen;

/// <summary>
/// A fault of QEMU 7.2's SVM: now and then a PVH domain goes on at an address of Xen's instead of its own, and ends by a triple fault. No program
/// in a domain can bring that about.
/// </summary>
internal static class EmulatorFault
{
    // e008 is the segment; the line behind it says whose registers they are.
    private const string Count = "xl dmesg | grep -A1 'RIP:    e008:' | grep -c 'CONTEXT: hvm guest'";

    /// <summary>Whether Xen's log has one.</summary>
    public static bool HasBeen() => Dom0.ShAsync(Count).GetAwaiter().GetResult() is not ("0" or "");
}
