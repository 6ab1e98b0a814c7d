namespace ChannelSdk.Transports.Native;

/// <summary>Descriptors that came with a message (cmsg(3), SCM_RIGHTS).</summary>
internal static unsafe class ControlMessages
{
    /// <summary>Adds every descriptor to the list, which owns it from then on.</summary>
    internal static void TakeFiles(byte* control, nint length, List<SafeFd> files)
    {
        for (nint at = 0; at + sizeof(ControlHeader) <= length;)
        {
            var header = (ControlHeader*)(control + at);
            if (header->Length < sizeof(ControlHeader) || header->Length > length - at)
            {
                return;
            }
            if (header->Level == Linux.SOL_SOCKET && header->Type == Linux.SCM_RIGHTS)
            {
                var numbers = new ReadOnlySpan<int>(header + 1, (int)(header->Length - sizeof(ControlHeader)) / sizeof(int));
                foreach (int number in numbers)
                {
                    files.Add(new SafeFd(number));
                }
            }
            at += (header->Length + sizeof(nint) - 1) & ~(nint)(sizeof(nint) - 1);
        }
    }
}
