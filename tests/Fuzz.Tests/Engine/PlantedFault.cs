using dnlib.DotNet;
using dnlib.DotNet.Emit;

namespace ChannelSdk.Fuzz.Tests.Engine;

/// <summary>
/// A fault that the loop must find. It is put into a copy of the built assembly, so that there is no switch for it in the product.
/// </summary>
internal static class PlantedFault
{
    /// <summary>Takes the check of a stream's credit out of the session.</summary>
    /// <param name="folder">Where the copy is.</param>
    internal static void RemoveCreditCheck(string folder)
    {
        var path = Path.Combine(folder, "ChannelSdk.Protocol.dll");
        using var module = ModuleDefMD.Load(File.ReadAllBytes(path));
        var receive = module.Find("ChannelSdk.Protocol.Sessions.Session", isReflectionName: true)!.FindMethod("OnData")!;
        var code = receive.Body.Instructions;
        var limit = code.Single(static i => i.OpCode == OpCodes.Ldfld && i.Operand is IField { Name.String: "ReceiveLimit" });
        var check = code[code.IndexOf(limit) + 1];
        if (check.OpCode != OpCodes.Ble && check.OpCode != OpCodes.Ble_S)
        {
            throw new InvalidOperationException($"a stream's credit is not checked as it was when this fault was made: {check}");
        }

        // Both numbers are dropped, and the way is the one of enough credit.
        var target = (Instruction)check.Operand;
        check.OpCode = OpCodes.Pop;
        check.Operand = null;
        code.Insert(code.IndexOf(check) + 1, OpCodes.Pop.ToInstruction());
        code.Insert(code.IndexOf(check) + 2, OpCodes.Br.ToInstruction(target));
        module.Write(path);
    }
}
