using ChannelSdk.Linux.Native;

namespace ChannelSdk.Linux.Descriptors;

/// <summary>Descriptors that came with a message (cmsg(3), SCM_RIGHTS).</summary>
public static unsafe class ControlMessages
{
    /// <summary>
    /// The bytes that the most descriptors of one message take (SCM_MAX_FD is 253). With less room the kernel would close the rest, on
    /// the thread that receives.
    /// </summary>
    public const int Room = 16 + 254 * sizeof(int);

    /// <summary>Adds every descriptor to the list, which owns it from then on.</summary>
    /// <param name="control">Where they were received.</param>
    /// <param name="length">Bytes of that.</param>
    /// <param name="closer">Closes them; null for those of a process that is trusted.</param>
    /// <param name="files">The list.</param>
    public static void ReceiveFiles(byte* control, nint length, ForeignCloser? closer, List<SafeFd> files)
    {
        for (nint at = 0; at + sizeof(ControlHeader) <= length;)
        {
            var header = (ControlHeader*)(control + at);
            if (header->Length < sizeof(ControlHeader) || header->Length > length - at)
            {
                return;
            }

            if (header->Level == Abi.SOL_SOCKET && header->Type == Abi.SCM_RIGHTS)
            {
                var numbers = new ReadOnlySpan<int>(header + 1, (int)(header->Length - sizeof(ControlHeader)) / sizeof(int));
                foreach (var number in numbers)
                {
                    files.Add(closer is null ? new SafeFd(number) : new ForeignFd(number, closer));
                }
            }

            at += (header->Length + sizeof(nint) - 1) & ~(nint)(sizeof(nint) - 1);
        }
    }
}
