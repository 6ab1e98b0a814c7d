using System.Runtime.InteropServices;
using System.Text;
using ChannelSdk.GuestAgent.Files;
using ChannelSdk.Linux.Native;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Tests;

public sealed partial class PartialFileTests
{
    [Fact]
    public void A_program_that_is_being_started_keeps_no_lock_on_a_file_that_is_done()
    {
        var place = Directory.CreateTempSubdirectory("agent-test-");
        using var folder = new SafeFileHandle(FileCalls.Open(place.FullName, Abi.O_DIRECTORY), ownsHandle: true);
        var transfer = new byte[PartialFile.TransferBytes];
        var partial = PartialFile.Create(folder, transfer, "file");
        partial.Write("content"u8, 0, hasHoles: false);
        // What a fork would have until it calls execve.
        using var inherited = new SafeFileHandle(Duplicate(partial.File, DuplicateCloseOnExec, 0), ownsHandle: true);
        var path = Path.Combine(place.FullName, Encoding.ASCII.GetString(PartialFile.NameOf(transfer)).TrimEnd('\0'));
        Assert.Throws<IOException>(() => File.ReadAllText(path));

        partial.Dispose();

        Assert.Equal("content", File.ReadAllText(path));
        place.Delete(recursive: true);
    }

    // F_DUPFD_CLOEXEC of fcntl(2): programs that other tests start meanwhile must not have it.
    private const int DuplicateCloseOnExec = 1030;

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    private static partial int Duplicate(SafeFileHandle file, int command, int lowest);
}
