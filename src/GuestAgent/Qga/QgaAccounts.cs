using System.Text;
using ChannelSdk.GuestAgent.Files;
using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;
using Google.Protobuf;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.GuestAgent.Qga;

/// <summary>
/// Keys and passwords of users. Each is a change of a file, and needs a policy that allows that file to be written: a key
/// in <c>~/.ssh/authorized_keys</c>, a password in <c>/etc/shadow</c>.
/// </summary>
internal sealed class QgaAccounts(AgentPolicy policy)
{
    private const int MaxKeys = 16 << 10;
    private const uint OwnerOnly = 0x180;
    private const uint OwnerFolder = 0x1C0;
    private static readonly string[] s_programs = ["/usr/sbin/chpasswd", "/sbin/chpasswd", "/bin/chpasswd", "/usr/bin/chpasswd"];

    public void GetKeys(QgaCall call)
    {
        var account = Find(call.Arguments.Text("username"));
        call.Arguments.End();
        policy.CheckRead(account.KeyFile);
        call.Json.WriteStartObject();
        call.Json.WriteStartArray("keys"u8);
        foreach (var line in ReadKeys(account, mustBe: true))
        {
            if (line.Trim() is { Length: > 0 } key && key[0] != '#')
            {
                call.Json.WriteStringValue(key);
            }
        }

        call.Json.WriteEndArray();
        call.Json.WriteEndObject();
    }

    public void AddKeys(QgaCall call)
    {
        var (account, keys) = Change(call.Arguments, call.Arguments.BooleanOrNull("reset") ?? false, out var isReset);
        var lines = isReset ? [] : ReadKeys(account, mustBe: false);
        lines.AddRange(keys.Where(key => !lines.Contains(key)));
        MakeFolder(account);
        WriteKeys(account, lines);
    }

    public void RemoveKeys(QgaCall call)
    {
        var (account, keys) = Change(call.Arguments, false, out _);
        if (File.Exists(account.KeyFile))
        {
            WriteKeys(account, ReadKeys(account, mustBe: true).Where(line => !keys.Contains(line)));
        }
    }

    public async ValueTask SetPasswordAsync(QgaCall call)
    {
        var user = call.Arguments.Text("username");
        ReadOnlyMemory<byte> password = call.Arguments.BytesOrNull("password") ?? throw call.Arguments.Missing("password");
        var isHash = call.Arguments.Boolean("crypted");
        call.Arguments.End();
        if (password.Span.Contains((byte)'\n'))
        {
            throw new QgaException("forbidden characters in raw password");
        }

        if (user.AsSpan().ContainsAny('\n', ':'))
        {
            throw new QgaException("forbidden characters in username");
        }

        policy.CheckWrite("/etc/shadow");
        var program = s_programs.FirstOrDefault(static path => FileCalls.Access(path, Abi.X_OK) == 0);
        byte[] line = [.. Encoding.UTF8.GetBytes(user), (byte)':', .. password.Span, (byte)'\n'];
        if (program is null || await ChildProcess.RunAsync(program, isHash ? ["-e"] : [], line).ConfigureAwait(false) != 0)
        {
            throw new QgaException("child process has failed to set user password");
        }
    }

    private (Account Account, List<string> Keys) Change(QgaArguments arguments, bool reset, out bool isReset)
    {
        isReset = reset;
        var user = arguments.Text("username");
        if (!arguments.Has("keys"))
        {
            throw arguments.Missing("keys");
        }

        var keys = arguments.Texts("keys");
        arguments.End();
        foreach (var key in keys)
        {
            if (key.Length == 0 || key[0] == '#' || key.Contains('\n', StringComparison.Ordinal))
            {
                throw new QgaException($"invalid OpenSSH public key: '{key}'");
            }
        }

        var account = Find(user);
        policy.CheckWrite(account.KeyFile);
        return (account, keys);
    }

    // The library's functions ask services that a static program cannot load; passwd(5) has the users of most guests.
    private static Account Find(string user)
    {
        using var table = new LineFile("/etc/passwd");
        while (table.Next(out var line))
        {
            var fields = Encoding.UTF8.GetString(line).Split(':');
            if (fields.Length >= 6 && fields[0] == user && uint.TryParse(fields[2], out var uid) && uint.TryParse(fields[3], out var gid)
                && Home(fields[5], uid) is { } home)
            {
                return new Account(home, uid, gid);
            }
        }

        throw new QgaException($"failed to lookup user '{user}'");
    }

    // Many systems have links on the way to their homes, as /home to /var/home. They are followed up to the home, which must be the
    // user's then, and the policy is asked about where the keys are; within the home no link is followed.
    private static string? Home(string named, uint uid)
    {
        if (!PathPrefix.IsPlain(named))
        {
            return null;
        }

        var home = RealPath.Of(named) ?? named;
        if (home != named)
        {
            using var folder = PathOpener.Open(Raw(home), Abi.O_PATH | Abi.O_DIRECTORY);
            if (FileFacts.Of(folder, home).Uid != uid)
            {
                throw new QgaException($"the home '{named}' leads to '{home}', which is another user's");
            }
        }

        return home == "/" ? "" : home;
    }

    private static unsafe List<string> ReadKeys(Account account, bool mustBe)
    {
        try
        {
            using var file = PathOpener.Open(Raw(account.KeyFile), Abi.O_RDONLY | Abi.O_NONBLOCK);
            var bytes = new byte[MaxKeys + 1];
            nint length;
            fixed (byte* start = bytes)
            {
                length = DescriptorCalls.PRead(file, start, (nuint)bytes.Length, 0);
            }

            return length is >= 0 and <= MaxKeys ? [.. Encoding.UTF8.GetString(bytes, 0, (int)length).Split('\n', StringSplitOptions.RemoveEmptyEntries)]
                : throw new QgaException($"failed to read '{account.KeyFile}': it has no keys, or more than {MaxKeys} bytes of them");
        }
        catch (ChannelException e) when (mustBe || e.Code != ChannelError.NotFound)
        {
            throw new QgaException($"failed to read '{account.KeyFile}': {e.Message}");
        }
        catch (ChannelException)
        {
            return [];
        }
    }

    private static unsafe void MakeFolder(Account account)
    {
        var folder = Raw(account.KeyFolder);
        using var home = PathOpener.OpenParent(folder);
        fixed (byte* name = folder.Name)
        {
            if (FileCalls.MkDirAt(home, name, OwnerFolder) != 0)
            {
                return;
            }
        }

        using var made = PathOpener.Open(folder, Abi.O_RDONLY | Abi.O_DIRECTORY);
        _ = DescriptorCalls.FChOwn(made, account.Uid, account.Gid);
    }

    private static unsafe void WriteKeys(Account account, IEnumerable<string> lines)
    {
        var bytes = Encoding.UTF8.GetBytes(string.Concat(lines.Select(static line => line + "\n")));
        if (bytes.Length > MaxKeys)
        {
            throw new QgaException($"failed to write to '{account.KeyFile}': more than {MaxKeys} bytes of keys");
        }
        // Beside the file and then in its place, so that a full disk leaves the keys that were there.
        var target = Raw(account.KeyFile);
        var partial = Raw(account.KeyFile + ".channel-new");
        using var folder = PathOpener.OpenParent(target);
        fixed (byte* start = bytes, from = partial.Name, to = target.Name)
        {
            _ = FileCalls.UnlinkAt(folder, from, 0);
            using var file = PathOpener.Open(partial, Abi.O_WRONLY | Abi.O_CREAT | Abi.O_EXCL);
            var done = DescriptorCalls.FTruncate(file, 0) == 0 && DescriptorCalls.PWrite(file, start, (nuint)bytes.Length, 0) == bytes.Length
                && DescriptorCalls.FChOwn(file, account.Uid, account.Gid) == 0 && DescriptorCalls.FChMod(file, OwnerOnly) == 0
                && DescriptorCalls.FSync(file) == 0 && FileCalls.RenameAt2(folder, from, to, 0) == 0;
            if (!done)
            {
                ChannelException why = FileFailure.OfLast("write", target.Shown);
                _ = FileCalls.UnlinkAt(folder, from, 0);
                throw why;
            }
        }
    }

    private static RawPath Raw(string path) => RawPath.Parse(ByteString.CopyFromUtf8(path));

    private sealed record Account(string Home, uint Uid, uint Gid)
    {
        public string KeyFolder => Home + "/.ssh";

        public string KeyFile => KeyFolder + "/authorized_keys";
    }
}
